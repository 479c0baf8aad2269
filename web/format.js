// How values look: identifiers, times, durations, sizes, resources, states.

import { copy, h } from "./dom.js";

/** Milliseconds by which the cluster's clock is ahead of this browser's. */
let clockOffset = 0;
export function setClusterTime(milliseconds) { clockOffset = milliseconds - Date.now(); }
export const now = () => Date.now() + clockOffset;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fraction = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

export const integer = (value) => whole.format(value ?? 0);
export const decimal = (value) => fraction.format(value ?? 0);
export const percent = (share) => `${fraction.format(Math.round(share * 1e4) / 100)} %`;

/** A rate that keeps its width: three digits that matter. */
export function rate(value) {
  if (value >= 10_000) return `${fraction.format(Math.round(value / 100) / 10)}k`;
  if (value >= 100 || value === 0) return whole.format(value);
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function bytes(count) {
  if (!count) return "0 B";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 2 ** (10 * step);
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined || Number.isNaN(milliseconds)) return "";
  const value = Math.max(0, milliseconds);
  if (value === 0) return "< 1 ms";
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
  if (value < 3_600_000) return `${Math.floor(value / 60_000)} m ${Math.floor(value / 1000) % 60} s`;
  if (value < 86_400_000) return `${Math.floor(value / 3_600_000)} h ${Math.floor(value / 60_000) % 60} m`;
  return `${Math.floor(value / 86_400_000)} d ${Math.floor(value / 3_600_000) % 24} h`;
}

/** A long duration without what changes every second, so that it may stand still: "3 h 12 m". */
export function age(milliseconds) {
  return milliseconds < 60_000 ? `${Math.max(0, Math.floor(milliseconds / 1000))} s` : milliseconds < 3_600_000 ? `${Math.floor(milliseconds / 60_000)} m` : duration(milliseconds);
}

function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor((now() - milliseconds) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export const dateAndTime = (milliseconds) => new Date(milliseconds).toLocaleString("sv", { dateStyle: "short", timeStyle: "medium" });

/** "12 s ago", kept current by `tick`, with the full time on hover. */
export function time(milliseconds) {
  if (!milliseconds) return none();
  return h("time", { datetime: new Date(milliseconds).toISOString(), title: dateAndTime(milliseconds), dataset: { at: String(milliseconds) } }, ago(milliseconds));
}

/** A duration that runs until `end` is known. */
export function elapsed(start, end) {
  if (!start) return none();
  if (end) return h("span", { class: "number" }, duration(end - start));
  return h("span", { class: "number running-time", dataset: { since: String(start) } }, duration(now() - start));
}

/** Moves all relative times on. */
export function tick() {
  for (const one of document.querySelectorAll("time[data-at]")) write(one, ago(Number(one.dataset.at)));
  for (const one of document.querySelectorAll("[data-since]")) write(one, duration(now() - Number(one.dataset.since)));
}
function write(element, text) {
  if (element.firstChild?.nodeValue !== text) element.textContent = text;
}

export const none = () => h("span", { class: "none", "aria-label": "none" }, "–");

const shownDigits = 8;

/** Tasks and objects of one process differ only in the counter at their end, so both ends are shown: "497905…1a3". */
export function shortened(value) {
  if (value.length <= 12) return value;
  const [digits, index] = value.split("-");
  if (digits.length !== 32 || !digits.startsWith("00000000", 16)) return value.slice(0, shownDigits);
  return `${digits.slice(0, 6)}…${digits.slice(16).replace(/^0+(?=.)/, "")}${index === undefined || index === "0" ? "" : `-${index}`}`;
}

/** A long identifier, shortened; the whole on hover and in the clipboard. `link` leads to its page. */
export function identifier(value, link) {
  if (!value) return none();
  const short = shortened(value);
  return h("span", { class: "id", title: value },
    link ? h("a", { href: link }, short) : short,
    h("button", {
      class: "copy", type: "button", tabindex: "-1", title: `Copy ${value}`, "aria-label": `Copy ${value}`,
      onclick: (event) => { event.stopPropagation(); copy(value); },
    }));
}

export const code = (text) => (text ? h("code", { title: text }, text) : none());
export const text = (value) => (value ? h("span", { title: value }, value) : none());

const tones = {
  alive: "good", ready: "good", running: "live", healthy: "good", finished: "done", created: "good", succeeded: "done", rescheduling: "warn", removed: "off", pending: "wait", starting: "wait", suspect: "warn", restarting: "warn",
  draining: "warn", updating: "warn", degraded: "warn", unhealthy: "bad", waitingForArguments: "wait", waitingForLease: "wait", failed: "bad", dead: "off",
  stopped: "off", cancelled: "off", freed: "off",
};
const stateNames = { waitingForArguments: "waiting for arguments", waitingForLease: "waiting for a worker" };

export const stateName = (state) => stateNames[state] ?? state;
export const tone = (state) => tones[state] ?? "wait";

export function state(value, detail) {
  if (!value) return none();
  return h("span", { class: `state ${tone(value)}`, title: detail || null }, h("i", { "aria-hidden": "true" }), stateName(value));
}

const memoryName = "memory";
/** What is counted in bytes. */
const inBytes = new Set([memoryName, "store"]);

export function amount(name, value) { return inBytes.has(name) ? bytes(value) : decimal(value); }

/** "CPU 2, GPU 1": CPU first, then GPU, then the rest by name. */
export function resourceNames(resources) {
  const order = (name) => (name === "CPU" ? 0 : name === "GPU" ? 1 : name === memoryName ? 2 : 3);
  return Object.keys(resources ?? {}).sort((one, two) => order(one) - order(two) || one.localeCompare(two));
}
