// A sortable, filterable table that changes only the rows and cells that changed.
//
// Column widths are fixed by the columns, never by what is in them, so live data does not move the page. Rows are reachable with Tab and the arrow
// keys, Enter opens one.

import { h } from "./dom.js";
import { keyOf } from "./events.js";
import { integer, none, stateName, tone } from "./format.js";

const firstRows = 200, moreRows = 500;
/** Columns without a width share what is left, but each gets at least so many pixels; then the table scrolls sideways. */
const leastFreeWidth = 150;

/** Words that must all occur in a row; `field:value` looks into one column only. */
function matcher(filter, columns) {
  const terms = filter.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const colon = word.indexOf(":");
    const column = colon > 0 && columns.find((one) => one.id.toLowerCase() === word.slice(0, colon));
    return column ? (row) => textOf(column, row).includes(word.slice(colon + 1)) : (row) => columns.some((one) => textOf(one, row).includes(word)) || String(row.id ?? "").includes(word);
  });
  return (row) => terms.every((term) => term(row));
}
function textOf(column, row) {
  const value = column.value(row);
  return value === null || value === undefined ? "" : String(value).toLowerCase();
}

function compare(one, two) {
  const missingOne = one === null || one === undefined || one === "", missingTwo = two === null || two === undefined || two === "";
  if (missingOne || missingTwo) return missingOne - missingTwo;
  return typeof one === "number" && typeof two === "number" ? one - two : String(one).localeCompare(String(two), "en", { numeric: true });
}

export class Table {
  /** columns: [{id, title, width, value(row), cell?(row), align?}]; a leading "-" in `sort` means descending. */
  constructor({ columns, sort, empty, open, states, label, key = keyOf }) {
    Object.assign(this, { columns, empty, open, states, key });
    this.sort = { column: columns.find((one) => one.id === sort.replace("-", "")), descending: sort.startsWith("-") };
    this.filter = "";
    this.stateFilter = null;
    this.limit = firstRows;
    this.shown = new Map();
    this.headers = columns.map((column) =>
      h("th", { scope: "col", class: column.align ?? null }, h("button", { type: "button", class: "sort", onclick: () => this.#sortBy(column) }, column.title, h("i", { "aria-hidden": "true" }))));
    this.body = h("tbody");
    this.body.addEventListener("click", (event) => this.#click(event));
    this.body.addEventListener("keydown", (event) => this.#press(event));
    this.chips = states ? h("div", { class: "chips", role: "group", "aria-label": "State" }) : null;
    this.more = h("button", { type: "button", class: "button more", hidden: true, onclick: () => { this.limit += moreRows; this.render(); } });
    this.emptyBox = h("div", { class: "empty", hidden: true });
    const least = columns.reduce((sum, column) => sum + (column.width ? parseInt(column.width, 10) : leastFreeWidth), 0);
    this.table = h("table", { "aria-label": label, vars: { least: `${least}px` } },
      h("colgroup", null, columns.map((column) => h("col", { class: column.width ? "fixed" : null, vars: column.width ? { width: column.width } : {} }))),
      h("thead", null, h("tr", null, this.headers)), this.body);
    this.element = h("section", { class: "table-view" }, this.chips, h("div", { class: "table-frame" }, this.table), this.emptyBox, this.more);
    this.#markSort();
  }

  /** `counts`: how many rows of the whole table are in which state; `rows` are the newest of them. */
  update(rows, { total = rows.length, counts = null, known = true, selected = null } = {}) {
    Object.assign(this, { rows, total, counts, known, selected });
    this.render();
  }

  setFilter(text) { if (text !== this.filter) { this.filter = text; this.limit = firstRows; this.render(); } }

  render() {
    const rows = this.rows ?? [];
    const matches = matcher(this.filter, this.columns);
    const named = rows.filter(matches);
    if (this.chips) this.#renderChips(named);
    const wanted = this.stateFilter ? named.filter((row) => row.state === this.stateFilter) : named;
    const { column, descending } = this.sort;
    const sign = descending ? -1 : 1;
    wanted.sort((one, two) => {
      const [left, right] = [column.value(one), column.value(two)];
      const blank = (left ?? "") === "" || (right ?? "") === "";
      return (blank ? 1 : sign) * compare(left, right) || compare(this.key(one), this.key(two));
    });
    this.#place(wanted.slice(0, this.limit));
    this.matching = wanted.length;
    this.more.hidden = wanted.length <= this.limit;
    if (!this.more.hidden) this.more.textContent = `Show more (${integer(wanted.length - this.limit)} left)`;
    this.#renderEmpty(rows.length, wanted.length);
  }

  #place(rows) {
    const keep = new Set(rows.map(this.key));
    for (const [key, one] of this.shown) if (!keep.has(key)) { one.element.remove(); this.shown.delete(key); }
    let at = this.body.firstElementChild;
    for (const row of rows) {
      const key = this.key(row);
      let one = this.shown.get(key);
      if (!one) {
        one = { element: h("tr", { tabindex: "-1", dataset: { key } }), row: null };
        this.shown.set(key, one);
      }
      if (one.row !== row) {
        one.row = row;
        one.element.replaceChildren(...this.columns.map((column) => h("td", { class: column.align ?? null }, this.#cell(column, row))));
      }
      one.element.toggleAttribute("aria-selected", false);
      if (key === this.selected) one.element.setAttribute("aria-selected", "true");
      if (one.element === at) at = at.nextElementSibling;
      else this.body.insertBefore(one.element, at);
    }
    if (!this.body.querySelector("tr[tabindex='0']")) this.body.firstElementChild?.setAttribute("tabindex", "0");
  }

  #cell(column, row) {
    if (column.cell) return column.cell(row);
    const value = column.value(row);
    return value === null || value === undefined || value === "" ? none() : h("span", { title: String(value) }, String(value));
  }

  #renderChips(rows) {
    const counts = new Map(this.states.map((state) => [state, 0]));
    const whole = this.counts && !this.filter;
    if (whole) for (const [state, count] of Object.entries(this.counts)) counts.set(state, count);
    else for (const row of rows) counts.set(row.state, (counts.get(row.state) ?? 0) + 1);
    const chip = (state, name, count) => {
      const known = this.chips.querySelector(`[data-state="${state ?? ""}"]`);
      const element = known ?? h("button", {
        type: "button", class: `chip ${state ? tone(state) : "all"}`, dataset: { state: state ?? "" }, onclick: () => { this.stateFilter = state; this.limit = firstRows; this.render(); },
      }, state ? h("i", { "aria-hidden": "true" }) : null, name, h("b", { class: "number" }));
      element.setAttribute("aria-pressed", String(this.stateFilter === state));
      element.lastChild.textContent = integer(count);
      if (!known) this.chips.append(element);
    };
    chip(null, "all", whole ? Math.max(this.total, rows.length) : rows.length);
    for (const [state, count] of counts) chip(state, stateName(state), count);
  }

  #renderEmpty(all, matching) {
    const kind = !this.known ? "loading" : matching > 0 ? "" : all > 0 ? "nomatch" : "empty";
    this.table.classList.toggle("hollow", kind !== "");
    this.emptyBox.hidden = kind === "";
    if (this.emptyBox.dataset.kind === kind) return;
    this.emptyBox.dataset.kind = kind;
    if (kind === "loading") this.emptyBox.replaceChildren(h("p", { class: "quiet" }, "Reading the table…"));
    if (kind === "nomatch") this.emptyBox.replaceChildren(h("h2", null, "No row matches"), h("p", null, "Clear the filter or choose another state."));
    if (kind === "empty") this.emptyBox.replaceChildren(...this.empty());
  }

  #sortBy(column) {
    const same = this.sort.column === column;
    this.sort = { column, descending: same ? !this.sort.descending : column.align === "right" || column.newestFirst === true };
    this.#markSort();
    this.render();
  }
  #markSort() {
    this.columns.forEach((column, index) => {
      const sorted = column === this.sort.column;
      this.headers[index].setAttribute("aria-sort", sorted ? (this.sort.descending ? "descending" : "ascending") : "none");
    });
  }

  #click(event) {
    const row = event.target.closest("tr");
    if (!row || event.target.closest("a, button") || getSelection().toString()) return;
    this.open?.(row.dataset.key);
  }

  #press(event) {
    const row = event.target.closest("tr");
    if (!row) return;
    if (event.key === "Enter" && event.target === row) { event.preventDefault(); this.open?.(row.dataset.key); }
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, j: row.nextElementSibling, k: row.previousElementSibling, Home: row.parentNode.firstElementChild, End: row.parentNode.lastElementChild }[event.key];
    if (!next) return;
    event.preventDefault();
    row.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  }

  focusRow() { (this.body.querySelector("tr[aria-selected='true']") ?? this.body.firstElementChild)?.focus(); }
}
