// The dashboard: navigation, keyboard, theme, connection state. What a page shows is in views.js and overview.js.

import { adoptTokenFromAddress } from "./api.js";
import { byId, h, setText } from "./dom.js";
import { Chosen, Feed } from "./events.js";
import { age, identifier, integer, setClusterTime, now, tick } from "./format.js";
import { Inspector } from "./inspector.js";
import { History, Overview } from "./overview.js";
import { Table } from "./tables.js";
import { views } from "./views.js";

adoptTokenFromAddress();

const history = new History();
const feed = new Feed({ onChange: changed, onStatus: showStatus });
const inspector = new Inspector(byId("inspector"), feed, () => { location.hash = `#/${current.name}`; });
const pages = {};
let current = { name: "", key: null };

// Pages

function page(name) {
  if (pages[name]) return pages[name];
  if (name === "") return (pages[name] = new Overview(feed, history));
  const view = views[name];
  const table = new Table({ ...view, label: view.title, open: (key) => { location.hash = `#/${name}/${encodeURIComponent(key)}`; } });
  const chosen = new Chosen(name, changed);
  return (pages[name] = {
    title: view.title, tables: view.tables, element: table.element, table,
    render() {
      let rows = [...feed.rows(name).values()];
      const total = feed.total(name), part = total > rows.length;
      // Of a large table the newest rows are here; those of one state may be older.
      const older = part && table.stateFilter ? chosen.of(table.stateFilter) : null;
      rows = older ?? rows;
      table.update(rows, { total, counts: feed.cluster?.[name], known: feed.knows(name), selected: current.key });
      const filtered = table.filter || table.stateFilter;
      const all = older && !table.filter ? feed.cluster?.[name]?.[table.stateFilter] : null;
      const newest = (count, of) => (count < of ? `newest ${integer(count)} of ${integer(of)}` : integer(of));
      setText(byId("count"), !feed.knows(name) ? "" : all ? newest(table.matching, all) : filtered ? `${integer(table.matching)} of ${part ? "the newest " : ""}${integer(rows.length)}` : newest(rows.length, total));
    },
  });
}

function route() {
  const [, name = "", key = ""] = location.hash.match(/^#\/([a-z]*)(?:\/(.+))?$/) ?? [];
  if (name !== "" && !(name in views)) { location.hash = "#/"; return; }
  const moved = !byId("view").firstChild || current.name !== name;
  current = { name, key: key ? decodeURIComponent(key) : null };
  const shown = page(name);
  if (moved) {
    byId("view").replaceChildren(shown.element);
    setText(byId("title"), shown.title);
    document.title = name === "" ? "Manta" : `${shown.title} · Manta`;
    byId("filter-box").hidden = name === "";
    byId("filter").value = shown.table?.filter ?? "";
    for (const one of byId("nav").querySelectorAll("a")) one.toggleAttribute("aria-current", one.dataset.view === name);
    feed.follow(shown.tables);
  }
  draw();
}

let drawing = false;
function changed() {
  if (feed.cluster) { setClusterTime(feed.cluster.now); history.add(feed.cluster); }
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function draw() {
  page(current.name).render();
  inspector.show(current.name, current.key);
  drawNavigation();
}

// Navigation

function buildNavigation() {
  const item = (name, title, shortcut) => h("a", { href: `#/${name}`, dataset: { view: name }, title: `${title} (g ${shortcut})` }, h("span", null, title), h("b", { class: "number", dataset: { count: name } }));
  byId("nav").append(item("", "Overview", "o"));
  for (const group of ["Cluster", "Compute", "Serve"]) {
    byId("nav").append(h("h2", null, group), ...Object.entries(views).filter(([, view]) => view.group === group).map(([name, view]) => item(name, view.title, view.shortcut)));
  }
}

let shownCluster = "";
function drawNavigation() {
  const { cluster } = feed;
  if (!cluster) return;
  for (const one of byId("nav").querySelectorAll("[data-count]")) {
    const count = cluster.totals[one.dataset.count];
    setText(one, count === undefined ? "" : count >= 10_000 ? `${Math.floor(count / 1000)}k` : integer(count));
    if (one.dataset.count === "errors") one.classList.toggle("bad", (cluster.recentErrors ?? 0) > 0);
  }
  if (shownCluster !== cluster.cluster) {
    shownCluster = cluster.cluster;
    byId("cluster").replaceChildren(h("span", null, "Cluster ", identifier(cluster.cluster)), h("span", { class: "quiet", dataset: { uptime: String(cluster.startedAt) } }));
  }
  const uptime = byId("cluster").querySelector("[data-uptime]");
  if (uptime) { uptime.dataset.uptime = String(cluster.startedAt); setText(uptime, `up ${age(now() - cluster.startedAt)} · ${cluster.version ?? ""}`); }
}

// Connection

let status = { state: "connecting" };
function showStatus(next) {
  status = next;
  drawStatus();
}
function drawStatus() {
  const names = { live: "Live", connecting: "Connecting", disconnected: "Disconnected" };
  const live = byId("live");
  if (live.dataset.state !== status.state) {
    live.dataset.state = status.state;
    live.replaceChildren(h("i", { "aria-hidden": "true" }), names[status.state]);
  }
  const lost = status.state === "disconnected" || (status.state === "connecting" && feed.cluster !== null && !byId("banner").hidden);
  document.documentElement.classList.toggle("stale", lost && feed.cluster !== null);
  byId("banner").hidden = !lost;
  if (!lost) { byId("banner").replaceChildren(); return; }
  const seconds = Math.max(0, Math.ceil(((status.retryAt ?? 0) - Date.now()) / 1000));
  if (!byId("banner").firstChild) {
    byId("banner").append(h("strong"), h("span"), h("button", { class: "button", type: "button", onclick: () => feed.retryNow() }, "Try now"));
  }
  const [title, detail] = byId("banner").children;
  setText(title, feed.cluster ? "The connection to the head is lost." : "The head does not answer.");
  setText(detail, `${feed.cluster ? "What you see is old. " : ""}${seconds > 0 ? `Next try in ${seconds} s.` : "Trying…"}`);
}

// Theme

const themes = ["system", "light", "dark"];
function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  byId("theme").dataset.theme = theme;
  byId("theme").setAttribute("aria-label", `Theme: ${theme}`);
  byId("theme").title = `Theme: ${theme} (press d)`;
}
function nextTheme() {
  const theme = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % themes.length];
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try { theme === "system" ? localStorage.removeItem("manta.theme") : localStorage.setItem("manta.theme", theme); } catch { /* only this visit, then */ }
  showTheme();
}

// Keyboard

const shortcuts = [["/", "Filter"], ["↑ ↓", "Move between rows"], ["Enter", "Open the row"], ["Esc", "Close, leave the filter"], ["d", "Theme"], ["g o", "Overview"], ...Object.values(views).map((view) => [`g ${view.shortcut}`, view.title]), ["?", "These shortcuts"]];

function showHelp() {
  const dialog = h("dialog", { class: "dialog", onclose: () => dialog.remove() },
    h("h2", null, "Keyboard"), h("dl", { class: "shortcuts" }, shortcuts.map(([keys, what]) => [h("dt", null, keys.split(" ").map((key) => h("kbd", null, key))), h("dd", null, what)])),
    h("form", { method: "dialog", class: "dialog-buttons" }, h("button", { class: "button", autofocus: true }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

let leader = 0;
function press(event) {
  if (event.metaKey || event.ctrlKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape") {
    if (event.target === byId("filter")) { byId("filter").value = ""; filterChanged(); byId("filter").blur(); }
    else if (current.key) { location.hash = `#/${current.name}`; page(current.name).table?.focusRow(); }
    return;
  }
  if (typing) return;
  const view = event.timeStamp - leader < 1200 && (event.key === "o" ? "" : Object.entries(views).find(([, one]) => one.shortcut === event.key)?.[0]);
  leader = 0;
  if (view !== false && view !== undefined) { location.hash = `#/${view}`; return; }
  if (event.key === "g") leader = event.timeStamp;
  else if (event.key === "/") { event.preventDefault(); byId("filter").focus(); }
  else if (event.key === "d") nextTheme();
  else if (event.key === "?") showHelp();
  else if (event.key === "ArrowDown" && event.target === document.body) { event.preventDefault(); page(current.name).table?.focusRow(); }
}

function filterChanged() {
  page(current.name).table?.setFilter(byId("filter").value);
  draw();
}

buildNavigation();
showTheme();
showStatus(status);
addEventListener("hashchange", route);
addEventListener("keydown", press);
byId("filter").addEventListener("input", filterChanged);
byId("filter").addEventListener("keydown", (event) => { if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); page(current.name).table?.focusRow(); } });
byId("theme").addEventListener("click", nextTheme);
byId("help").addEventListener("click", showHelp);
setInterval(() => { tick(); if (status.state !== "live") drawStatus(); }, 1000);
route();
