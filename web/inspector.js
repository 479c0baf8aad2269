// The panel at the right with everything about one row, and what can be done to it.

import { describe, path, request } from "./api.js";
import { confirmation, copy, h, toast } from "./dom.js";
import { bytes, dateAndTime, decimal, elapsed, none, percent, resourceNames, amount, shortened, state, time } from "./format.js";
import { trafficEditor } from "./traffic.js";
import { meter } from "./charts.js";

const identifiers = { node: "nodes", job: "jobs", task: "tasks", parent: "tasks", pinnedBy: "tasks", containedIn: "objects", actor: "actors", placementGroup: "placementGroups", backend: "backends" };
const times = new Set(["startedAt", "endedAt", "submittedAt", "createdAt", "at"]);
const names = {
  id: "ID", pid: "PID", ownerPid: "Owner PID", startedAt: "Started", endedAt: "Ended", submittedAt: "Submitted", createdAt: "Created", at: "When", requestId: "Request", death: "Died",
  local: "Local reference", borrowers: "Borrowing processes", containers: "Captured in objects", containedIn: "One of them", forGood: "Encoded elsewhere",
  copies: "Copies in stores", copyCount: "Copies", borrowedBy: "Borrowed by", store: "Object store", storeRates: "Object store, each second", capacity: "Capacity", used: "In use",
  objectBytes: "Bytes of objects", spilledObjects: "Objects on disk", spilledBytes: "Bytes on disk", spills: "Written to disk", spillBytes: "Bytes written to disk", restores: "Read back",
  restoreBytes: "Bytes read back", evictions: "Copies that made room", fetches: "Fetched from other nodes", fetchBytes: "Bytes fetched",
  maxConcurrent: "Concurrent requests", maxQueued: "Queued requests",
};
const title = (key) => names[key] ?? key.replace(/([A-Z])/g, " $1").toLowerCase().replace(/^./, (letter) => letter.toUpperCase());

const whole = (value, href) => h("span", { class: "whole-id" }, href ? h("a", { href }, value) : value, h("button", { class: "copy", type: "button", "aria-label": `Copy ${value}`, title: "Copy", onclick: () => copy(value) }));

/** Numbers by name; those of bytes as sizes. */
function measures(values) {
  return h("dl", { class: "fields" }, Object.entries(values).flatMap(([key, value]) => [
    h("dt", null, title(key)), h("dd", { class: "number" }, /^(capacity|used)$|Bytes$/.test(key) ? bytes(value) : decimal(value))]));
}

function shown(table, key, value, row) {
  if (value === null || value === undefined || value === "") return none();
  if (key === "state") return state(value);
  if (times.has(key)) return h("span", null, dateAndTime(value), h("span", { class: "quiet" }, " · "), time(value));
  if (key === "size") return `${bytes(value)}${value >= 1024 ? ` (${value.toLocaleString("en")} bytes)` : ""}`;
  if (key === "store" || key === "storeRates") return measures(value);
  if (key === "copies") {
    return value.map((copy) => h("div", null, whole(copy.node, `#/nodes/${encodeURIComponent(copy.node)}`), copy.spilled ? " disk" : copy.spilled === false ? " memory" : ""));
  }
  if (key === "borrowedBy") return value.map((process) => h("div", null, whole(process)));
  if (key === "death") return h("span", { class: "bad" }, `${value.kind}: ${value.detail}`);
  if (key in identifiers) return whole(value, `#/${identifiers[key]}/${encodeURIComponent(value)}`);
  if (/^(id|tag|worker|owner|requestId|endpoint|program|type|function|route)$/.test(key)) return whole(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.length ? value.join(", ") : none();
  if (key === "shadows") return Object.entries(value).map(([name, share]) => `${name} ${percent(share)}`).join(", ") || none();
  if (key === "resources") return resourceNames(value).map((name) => `${name} ${amount(name, value[name])}`).join(", ") || none();
  if (typeof value === "object" && Object.keys(value).length === 0) return none();
  if (typeof value === "object") return h("pre", { class: "value" }, JSON.stringify(value, null, 2));
  return String(value);
}

const apart = { nodes: ["total", "available"], endpoints: ["traffic"], errors: ["message"], tasks: ["error"] };

function fields(table, row) {
  const list = h("dl", { class: "fields" });
  for (const [key, value] of Object.entries(row)) {
    if (apart[table]?.includes(key)) continue;
    list.append(h("dt", null, title(key)), h("dd", null, shown(table, key, value, row)));
  }
  if (row.startedAt && table === "tasks") list.append(h("dt", null, "Duration"), h("dd", null, elapsed(row.startedAt, row.endedAt)));
  return list;
}

const section = (name, ...content) => h("section", { class: "inspector-section" }, h("h3", null, name), content);

function actorActions(row) {
  const actorPath = row.name ? path("actors", row.namespace, row.name) : path("actors", row.id);
  const called = row.name ?? `actor ${shortened(row.id)}`;
  const method = h("input", { id: "call-method", required: true, autocomplete: "off", spellcheck: "false", placeholder: "increment", pattern: "[^\\/\\s]+" });
  const input = h("textarea", { id: "call-arguments", rows: "3", spellcheck: "false", placeholder: '[2]  or  {"by": 2}' }, "[]");
  const output = h("pre", { class: "value result", hidden: true, tabindex: "0", "aria-live": "polite" });
  const button = h("button", { class: "button primary" }, "Call");
  const show = (text, bad) => { output.hidden = false; output.classList.toggle("bad", bad); output.textContent = text; };
  const call = async (event) => {
    event.preventDefault();
    let body;
    try { body = JSON.parse(input.value || "[]"); } catch (error) { return show(`The arguments are no JSON: ${error.message}`, true); }
    if (typeof body !== "object" || body === null) return show("Expected an array (by position) or an object (by label).", true);
    button.disabled = true;
    const begun = performance.now();
    try {
      const answer = await request(`${actorPath}/call/${encodeURIComponent(method.value.trim())}`, { method: "POST", body });
      show(`${JSON.stringify(answer.result, null, 2)}\n\n${(performance.now() - begun).toFixed(1)} ms`, false);
    } catch (error) { show(describe(error), true); } finally { button.disabled = false; }
  };
  const remove = async () => {
    const agreed = await confirmation({ title: `Remove ${called}?`, text: `${row.type} in namespace ${row.namespace} ends and is not restarted. Its state is lost, and calls to it fail.`, action: "Remove actor" });
    if (!agreed) return;
    try { await request(actorPath, { method: "DELETE" }); toast(`Removed ${called}`); } catch (error) { toast(describe(error), "bad"); }
  };
  const curl = `curl -X POST ${new URL(`api/v1/${actorPath}/call/METHOD`, document.baseURI)} -H 'Content-Type: application/json' -d '[]'`;
  return [
    section("Call a method",
      h("form", { class: "call", onsubmit: call },
        h("label", { for: "call-method" }, "Method"), method, h("label", { for: "call-arguments" }, "Arguments, JSON"), input,
        h("div", { class: "form-buttons" }, button, h("button", { class: "button", type: "button", onclick: () => copy(curl) }, "Copy as curl")), output)),
    row.state === "dead" ? null : section("Remove", h("p", { class: "quiet" }, "Ends the actor for good, whatever its lifetime and restarts."), h("button", { class: "button danger", type: "button", onclick: remove }, "Remove actor…")),
  ];
}

const heading = { nodes: "host", jobs: "program", tasks: "function", actors: "name", objects: "source", placementGroups: "name", submissions: "id", errors: "code", endpoints: "name", backends: "name", replicas: "tag" };
const kind = { nodes: "Node", jobs: "Job", tasks: "Task", actors: "Actor", objects: "Object", placementGroups: "Placement group", submissions: "Submission", errors: "Error", endpoints: "Endpoint", backends: "Backend", replicas: "Replica" };

export class Inspector {
  constructor(element, feed, close) {
    Object.assign(this, { element, feed, close });
    this.table = this.key = this.row = null;
  }

  /** Shows a row, or nothing. Forms survive changes of the row; only the facts are redrawn. */
  show(table, key) {
    const row = key ? this.feed.rows(table).get(key) : null;
    if (!key) { this.element.hidden = true; this.table = this.key = this.row = null; this.element.replaceChildren(); return; }
    const same = this.table === table && this.key === key;
    if (same && row === this.row && !this.element.hidden) return;
    if (!same) { this.actions = null; this.facts = null; }
    const first = !same;
    Object.assign(this, { table, key });
    this.element.hidden = false;
    if (!row) return this.#showMissing(first);
    this.row = row;
    if (!this.facts) {
      this.facts = h("div", { class: "facts" });
      this.actions = h("div", { class: "actions" }, table === "actors" ? actorActions(row) : table === "endpoints" ? section("Traffic", (this.editor = trafficEditor(row, this.feed)).element) : null);
      this.element.replaceChildren(this.#head(row), this.facts, this.actions);
    }
    this.#fillFacts(row);
    if (table === "endpoints") this.editor.update(row);
    if (first) this.element.scrollTop = 0;
  }

  #head(row) {
    return h("header", null,
      h("div", null, h("span", { class: "quiet" }, kind[this.table]), h("h2", { title: String(row[heading[this.table]] ?? row.type ?? "") }, row[heading[this.table]] || row.type || this.key)),
      h("button", { class: "ghost close", type: "button", "aria-label": "Close details", title: "Close (Esc)", onclick: this.close }));
  }

  #fillFacts(row) {
    const { table } = this;
    this.facts.replaceChildren(...[
      table === "errors" ? h("pre", { class: "value bad" }, row.message) : null,
      table === "tasks" && row.error ? h("pre", { class: "value bad" }, row.error) : null,
      table === "nodes" ? h("div", { class: "meters stacked" }, resourceNames(row.total).map((name) => meter(name, row.total[name] - (row.available[name] ?? 0), row.total[name]))) : null,
      fields(table, row),
    ].filter(Boolean));
  }

  // The row may lie beyond the newest rows that the stream carries.
  async #showMissing(first) {
    if (!first && this.asked === `${this.table}/${this.key}`) return;
    const asked = (this.asked = `${this.table}/${this.key}`);
    const head = h("header", null, h("div", null, h("span", { class: "quiet" }, kind[this.table]), h("h2", null, this.key)), h("button", { class: "ghost close", type: "button", "aria-label": "Close details", onclick: this.close }));
    const body = h("div", { class: "facts" }, h("p", { class: "quiet" }, this.feed.knows(this.table) ? "It is not among the newest rows, or it is gone." : "Reading…"));
    this.element.replaceChildren(head, body);
    if (this.table !== "actors" && this.table !== "endpoints") return;
    try {
      const row = await request(path(this.table, this.key));
      if (this.asked === asked && this.table && !this.feed.rows(this.table).get(this.key)) body.replaceChildren(fields(this.table, row));
    } catch { /* the sentence above already says it */ }
  }
}
