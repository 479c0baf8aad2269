// Small charts: meters, stacked shares and sparklines. SVG and elements; colours come from the style sheet.

import { h, svg } from "./dom.js";
import { amount, decimal, percent } from "./format.js";

/** A bar of used against total. */
export function meter(name, used, total) {
  const share = total > 0 ? Math.min(1, Math.max(0, used / total)) : 0;
  return h("div", { class: "meter-line", title: `${name}: ${amount(name, used)} of ${amount(name, total)} in use` },
    h("span", { class: "meter-name" }, name),
    h("span", {
      class: `meter${share > 0.9 ? " full" : ""}`, role: "meter", "aria-label": `${name} in use`, "aria-valuenow": decimal(used), "aria-valuemin": "0",
      "aria-valuemax": decimal(total), vars: { share: share.toFixed(4) },
    }, h("i")),
    h("span", { class: "meter-value number" }, `${amount(name, used)} / ${amount(name, total)}`));
}

/** Backends keep their colour by their place in the sorted list of names. */
export const hue = (index) => `var(--series-${(index % 6) + 1})`;

/** A bar that splits into weighted parts. */
export function shares(weights) {
  const names = Object.keys(weights).sort();
  const sum = names.reduce((total, name) => total + weights[name], 0) || 1;
  return h("span", { class: "shares", role: "img", "aria-label": names.map((name) => `${name} ${percent(weights[name])}`).join(", ") },
    names.map((name, index) =>
      weights[name] > 0 && h("i", { title: `${name} ${percent(weights[name])}`, vars: { share: (weights[name] / sum).toFixed(4), hue: hue(index) } })));
}

export function legend(weights) {
  return h("ul", { class: "legend" }, Object.keys(weights).sort().map((name, index) =>
    h("li", null, h("i", { vars: { hue: hue(index) } }), h("span", { class: "legend-name", title: name }, name),
      h("span", { class: "number" }, percent(weights[name])))));
}

const width = 120, height = 28;

/** A line over the latest values, the newest at the right edge. */
export class Sparkline {
  constructor(label, capacity = 60) {
    this.values = [];
    this.capacity = capacity;
    this.area = svg("path", { class: "spark-area" });
    this.line = svg("path", { class: "spark-line" });
    this.element = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, this.area, this.line);
  }

  set(values) {
    this.values = values.slice(-this.capacity);
    const top = Math.max(...this.values, 1e-9) * 1.2;
    const points = this.values.map((value, index) => {
      const x = width - (this.values.length - 1 - index) * (width / (this.capacity - 1));
      return `${x.toFixed(1)},${(height - 2 - (value / top) * (height - 5)).toFixed(1)}`;
    });
    if (points.length < 2) return;
    const path = `M${points.join("L")}`;
    this.line.setAttribute("d", path);
    this.area.setAttribute("d", `${path}L${width},${height}L${points[0].split(",")[0]},${height}Z`);
  }
}
