// The first page: how much of the cluster is in use, what it does now, and what went wrong lately.

import { byId, h, setText } from "./dom.js";
import { legend, meter, shares, Sparkline } from "./charts.js";
import { bytes, code, decimal, duration, identifier, integer, none, now, rate, resourceNames, state, time } from "./format.js";

const shownRows = 6;

/** A number with its name, a line below and, for some, its course over the last minute. */
class Tile {
  constructor(name, href, spark) {
    this.value = h("span", { class: "tile-value number" }, "–");
    this.unit = h("span", { class: "tile-unit" });
    this.note = h("span", { class: "tile-note" });
    this.spark = spark ? new Sparkline(`${name}, last minute`) : null;
    this.bar = spark ? null : h("span", { class: "tile-bar" });
    this.element = h("a", { class: "tile", href }, h("span", { class: "tile-name" }, name), h("span", { class: "tile-line" }, this.value, this.unit), this.note, this.spark?.element);
  }
  set(value, unit = "", note = "", tone = "") {
    setText(this.value, value);
    setText(this.unit, unit);
    setText(this.note, note);
    this.element.dataset.tone = tone;
  }
}

/** `note` says of what the body is a part. */
function panel(title, href, body, note) {
  return h("section", { class: "panel" }, h("header", null, h("h2", null, title), note, href ? h("a", { href, class: "quiet" }, "All") : null), body);
}

const emptyLine = (text, line) => h("div", { class: "panel-empty" }, h("p", null, text), line ? h("pre", null, line) : null);

// What requests wait for: `3 requests wait for CPU 64, which no node has`.
function demand({ count, resources, infeasible }) {
  const amounts = Object.entries(resources).map(([name, amount]) => `${name} ${name === "memory" ? bytes(amount) : decimal(amount)}`).join(", ");
  return `${integer(count)} ${count === 1 ? "request waits" : "requests wait"} for ${amounts || "a worker"}${infeasible ? ", which no node has" : ""}`;
}

export class Overview {
  tables = ["nodes", "tasks", "actors", "errors", "endpoints"];
  title = "Overview";

  constructor(feed, history) {
    Object.assign(this, { feed, history });
    this.tiles = {
      cpu: new Tile("CPU in use", "#/nodes", true), tasks: new Tile("Tasks per second", "#/tasks", true), running: new Tile("Running now", "#/tasks", true),
      actors: new Tile("Actors alive", "#/actors", true), objects: new Tile("Objects held", "#/objects", true), errors: new Tile("Errors, 15 min", "#/errors", true),
    };
    this.bodies = Object.fromEntries(["nodes", "endpoints", "functions", "actors", "errors"].map((name) => [name, h("div", { class: "panel-body" })]));
    this.latest = h("span", { class: "quiet panel-note" });
    this.health = h("div", { class: "health" });
    this.element = h("div", { class: "overview" },
      this.health,
      h("div", { class: "tiles" }, Object.values(this.tiles).map((tile) => tile.element)),
      h("div", { class: "panels" },
        h("div", { class: "wide" }, panel("Nodes", "#/nodes", this.bodies.nodes)),
        h("div", { class: "narrow" }, panel("Endpoints", "#/endpoints", this.bodies.endpoints)),
        h("div", { class: "wide" }, panel("Functions", "#/tasks", this.bodies.functions, this.latest)),
        h("div", { class: "narrow" }, panel("Named actors", "#/actors", this.bodies.actors)),
        h("div", { class: "whole" }, panel("Recent errors", "#/errors", this.bodies.errors))));
    this.shown = {};
  }

  /** Replaces a panel's body only when its rows changed. */
  #fill(name, key, make) {
    if (this.shown[name] === key) return;
    this.shown[name] = key;
    this.bodies[name].replaceChildren(...[make()].flat());
  }

  render() {
    const { feed } = this;
    if (!feed.cluster) return;
    this.#renderTiles(feed.cluster);
    this.#renderHealth(feed.cluster);
    if (feed.knows("nodes")) this.#renderNodes([...feed.rows("nodes").values()]);
    if (feed.knows("endpoints")) this.#renderEndpoints([...feed.rows("endpoints").values()]);
    if (feed.knows("tasks")) this.#renderFunctions([...feed.rows("tasks").values()]);
    if (feed.knows("actors")) this.#renderActors([...feed.rows("actors").values()]);
    if (feed.knows("errors")) this.#renderErrors([...feed.rows("errors").values()]);
    setText(byId("count"), "");
  }

  #renderHealth(cluster) {
    const words = { healthy: "All systems work", degraded: "The cluster is degraded", empty: "No node has joined yet" };
    const waits = (cluster.demands ?? []).slice(0, 3).map(demand);
    const sentences = [...(cluster.problems ?? []), ...waits];
    const key = cluster.health + sentences.join();
    if (this.shown.health === key) return;
    this.shown.health = key;
    this.health.className = `health is-${cluster.health}`;
    this.health.replaceChildren(h("i", { "aria-hidden": "true" }), h("strong", null, words[cluster.health] ?? cluster.health), h("span", null, sentences.join("; ")));
  }

  #renderTiles(cluster) {
    const { tiles, history } = this;
    const total = cluster.resources.total.CPU ?? 0, used = total - (cluster.resources.available.CPU ?? 0);
    tiles.cpu.set(decimal(used), `/ ${decimal(total)}`, `${integer(cluster.nodes.alive ?? 0)} of ${integer(cluster.totals.nodes)} nodes alive`);
    tiles.tasks.set(rate(history.latest("rate")), "/s", `${integer(cluster.tasksSeen)} since the start`);
    const { running = 0, waitingForLease = 0, waitingForArguments = 0 } = cluster.tasks;
    tiles.running.set(integer(running), running === 1 ? "task" : "tasks", `${integer(waitingForLease + waitingForArguments)} waiting`);
    const { alive = 0, pending = 0, restarting = 0 } = cluster.actors;
    tiles.actors.set(integer(alive), "", pending + restarting ? `${integer(pending)} pending, ${integer(restarting)} restarting` : `${integer(cluster.actors.dead ?? 0)} dead`, restarting ? "warn" : "");
    tiles.objects.set(integer(cluster.totals.objects), "", `${bytes(cluster.objectBytes)} in all`);
    tiles.errors.set(integer(cluster.recentErrors), "", `${integer(cluster.totals.errors)} kept`, cluster.recentErrors ? "bad" : "");
    for (const [name, series] of Object.entries({ cpu: "cpu", tasks: "rate", running: "running", actors: "actors", objects: "objects", errors: "errors" })) tiles[name].spark.set(history.series(series));
  }

  #renderNodes(rows) {
    const order = { alive: 0, suspect: 1, dead: 2 };
    rows.sort((one, two) => order[one.state] - order[two.state] || one.host.localeCompare(two.host));
    const shown = rows.slice(0, 8);
    this.#fill("nodes", JSON.stringify(shown), () =>
      rows.length === 0 ? emptyLine("No node has joined. Start one:", "manta start --address HOST:6380") :
      shown.map((row) => h("a", { class: "node-card", href: `#/nodes/${row.id}` },
        h("div", { class: "node-head" }, state(row.state), h("span", { class: "strong clip" }, row.host), identifier(row.id), h("span", { class: "quiet push" }, `${integer(row.workers)} workers`)),
        row.state === "dead" ? null : h("div", { class: "meters" }, resourceNames(row.total).slice(0, 4).map((name) => meter(name, row.total[name] - (row.available[name] ?? 0), row.total[name])),
          row.store ? meter("store", row.store.used, row.store.capacity) : null))));
  }

  #renderEndpoints(rows) {
    rows.sort((one, two) => one.name.localeCompare(two.name));
    const shown = rows.slice(0, shownRows);
    this.#fill("endpoints", JSON.stringify(shown), () =>
      rows.length === 0 ? emptyLine("No endpoint serves requests.", 'try await serve.createEndpoint("hello", route: "/hello",\n    backend: "hello:v1")') :
      shown.map((row) => h("a", { class: "line endpoint-line", href: `#/endpoints/${encodeURIComponent(row.name)}` },
        h("div", { class: "line-head" }, h("span", { class: "strong clip" }, row.name), h("code", { class: "push clip" }, row.route)), shares(row.traffic ?? {}), legend(row.traffic ?? {}))));
  }

  // The latest tasks by function: what this cluster does.
  #renderFunctions(rows) {
    setText(this.latest, this.feed.total("tasks") > rows.length ? `in the newest ${integer(rows.length)} tasks` : "");
    const groups = new Map();
    for (const row of rows) {
      const name = row.name ?? row.function;
      const group = groups.get(name) ?? { name, running: 0, waiting: 0, finished: 0, failed: 0, times: [], latest: 0 };
      groups.set(name, group);
      if (row.state === "running") group.running += 1;
      else if (row.state === "finished") group.finished += 1;
      else if (row.state === "failed") group.failed += 1;
      else if (row.state.startsWith("waiting")) group.waiting += 1;
      if (row.startedAt && row.endedAt) group.times.push(row.endedAt - row.startedAt);
      group.latest = Math.max(group.latest, row.submittedAt);
    }
    const shown = [...groups.values()].sort((one, two) => two.running + two.waiting + two.finished + two.failed - (one.running + one.waiting + one.finished + one.failed)).slice(0, shownRows);
    const middle = (times) => (times.length ? times.sort((one, two) => one - two)[times.length >> 1] : null);
    for (const group of shown) group.median = middle(group.times);
    const number = (value, tone) => h("td", { class: "right" }, value ? h("span", { class: `number ${tone ?? ""}` }, integer(value)) : none());
    this.#fill("functions", JSON.stringify(shown, ["name", "running", "waiting", "finished", "failed", "median"]), () =>
      shown.length === 0 ? emptyLine("No task has run.", "let result = square.remote(3)") :
      h("table", { class: "small" },
        h("colgroup", null, h("col"), ["72px", "72px", "76px", "62px", "84px"].map((width) => h("col", { class: "fixed", vars: { width } }))),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Function"), ["Running", "Waiting", "Finished", "Failed", "Median"].map((name) => h("th", { scope: "col", class: "right" }, name)))),
        h("tbody", null, shown.map((group) => h("tr", null, h("td", null, code(group.name)), number(group.running, "live"), number(group.waiting), number(group.finished), number(group.failed, "bad"),
          h("td", { class: "right" }, group.median === null ? none() : h("span", { class: "number" }, duration(group.median))))))));
  }

  #renderActors(rows) {
    const named = rows.filter((row) => row.name && row.state !== "dead").sort((one, two) => two.detached - one.detached || one.name.localeCompare(two.name));
    const shown = named.slice(0, shownRows);
    this.#fill("actors", JSON.stringify(shown), () =>
      named.length === 0 ? emptyLine("No actor has a name.", 'Counter.options(name: "hits", lifetime: .detached).remote()') :
      shown.map((row) => h("a", { class: "line actor-line", href: `#/actors/${row.id}` },
        state(row.state, row.reason), h("span", { class: "strong clip" }, row.name), h("span", { class: "quiet clip" }, row.namespace), h("code", { class: "clip push" }, row.type.split(".").at(-1)), row.detached ? h("span", { class: "tag accent" }, "detached") : h("span", { class: "tag" }, "job"))));
  }

  #renderErrors(rows) {
    const shown = rows.sort((one, two) => two.at - one.at).slice(0, shownRows);
    this.#fill("errors", JSON.stringify(shown), () =>
      shown.length === 0 ? emptyLine("Nothing failed.") :
      shown.map((row) => h("a", { class: "line error-line", href: `#/errors/${row.id}` },
        time(row.at), h("span", { class: "tag" }, row.source), h("code", { class: "bad" }, row.code), h("span", { class: "clip", title: row.message }, row.message), identifier(row.requestId ?? row.task ?? row.actor))));
  }
}

/** The last minute of the numbers that the overview draws, one value a second, kept across page changes. */
export class History {
  constructor() { this.points = []; this.previous = null; }

  add(cluster) {
    if (this.previous?.now === cluster.now) return;
    const seconds = this.previous ? (cluster.now - this.previous.now) / 1000 : 0;
    const done = this.previous ? Math.max(0, cluster.tasksSeen - this.previous.tasksSeen) : 0;
    this.previous = { now: cluster.now, tasksSeen: cluster.tasksSeen };
    this.points.push({
      rate: seconds > 0 ? done / seconds : 0, running: cluster.tasks.running ?? 0, actors: cluster.actors.alive ?? 0, objects: cluster.totals.objects ?? 0,
      cpu: (cluster.resources.total.CPU ?? 0) - (cluster.resources.available.CPU ?? 0), errors: cluster.recentErrors ?? 0, at: now(),
    });
    if (this.points.length > 60) this.points.shift();
  }
  latest(name) { return this.points.at(-1)?.[name] ?? 0; }
  series(name) { return this.points.map((point) => point[name]); }
}
