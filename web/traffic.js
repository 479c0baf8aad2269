// The traffic editor of an endpoint: a weight for each backend, which must sum to 1, with what is live now beside what would become of it.

import { hue, shares } from "./charts.js";
import { describe, path, request } from "./api.js";
import { h, toast } from "./dom.js";
import { decimal } from "./format.js";

// Percent with two decimals, as whole numbers, so that sums are exact.
const whole = 10_000;
const units = (weight) => Math.round(weight * whole);

export function trafficEditor(endpoint, feed) {
  let live = endpoint.traffic ?? {};
  let draft = new Map(Object.entries(live).map(([name, weight]) => [name, units(weight)]));
  let edited = false;

  const preview = h("div", { class: "traffic-preview" });
  const rows = h("div", { class: "traffic-rows" });
  const sum = h("span", { class: "traffic-sum", role: "status" });
  const note = h("p", { class: "notice", hidden: true }, "The traffic was changed elsewhere meanwhile. Applying replaces it; Reset takes it over.");
  const apply = h("button", { class: "button primary", type: "button", onclick: save }, "Apply");
  const reset = h("button", { class: "button", type: "button", onclick: adopt }, "Reset");
  const fill = h("button", { class: "button", type: "button", title: "Scale all weights so that they sum to 100 %", onclick: balance }, "Balance");
  const choice = h("select", { "aria-label": "Add a backend", onchange: () => { if (choice.value) { draft.set(choice.value, 0); edited = true; redraw(); } } });
  const element = h("div", { class: "traffic" }, preview, rows, choice, note, h("div", { class: "traffic-foot" }, sum, h("div", { class: "form-buttons" }, fill, reset, apply)));

  const total = () => [...draft.values()].reduce((one, two) => one + two, 0);
  const weights = () => Object.fromEntries([...draft].map(([name, value]) => [name, value / whole]));

  function row(name) {
    const slider = h("input", { type: "range", min: "0", max: "100", step: "1", "aria-label": `Weight of ${name}` });
    const number = h("input", { type: "number", min: "0", max: "100", step: "0.01", "aria-label": `Weight of ${name} in percent` });
    const set = (text) => {
      const value = Number(text);
      draft.set(name, Number.isFinite(value) ? Math.min(whole, Math.max(0, Math.round(value * 100))) : 0);
      edited = true;
      slider.style.setProperty("--at", `${draft.get(name) / 100}%`);
      refresh();
    };
    slider.addEventListener("input", () => { number.value = slider.value; set(slider.value); });
    number.addEventListener("input", () => { slider.value = number.value; set(number.value); });
    slider.value = number.value = String(draft.get(name) / 100);
    slider.style.setProperty("--at", `${draft.get(name) / 100}%`);
    const index = [...draft.keys()].sort().indexOf(name);
    return h("div", { class: "traffic-row", vars: { hue: hue(index) } },
      h("span", { class: "traffic-name", title: name }, h("i", { "aria-hidden": "true" }), name), slider, h("span", { class: "percent" }, number, "%"),
      h("button", { class: "ghost remove", type: "button", "aria-label": `Leave out ${name}`, title: `Leave out ${name}`, onclick: () => { draft.delete(name); edited = true; redraw(); } }));
  }

  function refresh() {
    preview.replaceChildren(h("span", { class: "quiet" }, "live"), shares(live), ...(edited ? [h("span", { class: "quiet" }, "new"), shares(weights())] : [h("span", { class: "quiet" }, "new"), h("span", { class: "quiet" }, "no change")]));
    const value = total(), missing = whole - value;
    sum.textContent = missing === 0 ? "Sum 100 %" : missing > 0 ? `Sum ${decimal(value / 100)} %, ${decimal(missing / 100)} % to give` : `Sum ${decimal(value / 100)} %, ${decimal(-missing / 100)} % too much`;
    sum.classList.toggle("bad", missing !== 0);
    apply.disabled = !edited || missing !== 0;
    reset.disabled = !edited;
    fill.disabled = missing === 0 || draft.size === 0;
  }

  function redraw() {
    rows.replaceChildren(...[...draft.keys()].sort().map(row));
    const others = [...feed.rows("backends").keys()].filter((name) => !draft.has(name)).sort();
    choice.replaceChildren(h("option", { value: "" }, others.length ? "Add a backend…" : "No other backend"), ...others.map((name) => h("option", { value: name }, name)));
    choice.disabled = others.length === 0;
    refresh();
  }

  /** The rest goes to the backends in proportion to what they have; rounding goes to the last. */
  function balance() {
    const names = [...draft.keys()].sort(), sumNow = total();
    let left = whole;
    names.forEach((name, index) => {
      const share = index === names.length - 1 ? left : Math.round(sumNow ? (draft.get(name) / sumNow) * whole : whole / names.length);
      draft.set(name, Math.min(left, share));
      left -= draft.get(name);
    });
    edited = true;
    redraw();
  }

  function adopt() {
    draft = new Map(Object.entries(live).map(([name, weight]) => [name, units(weight)]));
    edited = false;
    note.hidden = true;
    redraw();
  }

  async function save() {
    apply.disabled = true;
    try {
      const wanted = weights();
      await request(`${path("endpoints", endpoint.name)}/traffic`, { method: "PUT", body: wanted });
      live = wanted;
      adopt();
      toast(`Traffic of ${endpoint.name} changed`);
    } catch (error) {
      toast(describe(error), "bad");
      refresh();
    }
  }

  redraw();
  return {
    element,
    update(row) {
      const next = row.traffic ?? {};
      if (JSON.stringify(next) === JSON.stringify(live)) return;
      live = next;
      if (edited) { note.hidden = false; refresh(); } else adopt();
    },
  };
}
