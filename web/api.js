// Requests to the admin API: relative to this page, so the dashboard also works below a path of a reverse proxy.
//
// On a loopback address no token is needed. Elsewhere the token comes once in the address (#token=…) or from the dialog; it stays in this tab only.

import { h } from "./dom.js";

const base = new URL("api/v1/", document.baseURI);
const tokenKey = "manta.token";

/** What the API answered when it did not do what was asked. */
export class APIError extends Error {
  constructor(status, { code = "unavailable", message = "the head did not answer", detail = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { status, code, detail, requestId });
  }
}

export function adoptTokenFromAddress() {
  const match = location.hash.match(/^#token=(.+)$/);
  if (!match) return;
  sessionStorage.setItem(tokenKey, decodeURIComponent(match[1]));
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
}

function headers(more) {
  const token = sessionStorage.getItem(tokenKey);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

/** Opens a response of the API; throws `APIError` for anything but success. */
export async function open(path, { method = "GET", body, signal, accept = "application/json" } = {}) {
  let response;
  try {
    response = await fetch(new URL(path, base), {
      method, signal, cache: "no-store", credentials: "omit", headers: headers({ Accept: accept, ...(body === undefined ? {} : { "Content-Type": "application/json" }) }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new APIError(0);
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new APIError(response.status, { message: `HTTP ${response.status}`, ...(answer.error ?? answer) });
}

export async function request(path, options) { return (await open(path, options)).json(); }

export const path = (...parts) => parts.map(encodeURIComponent).join("/");

/** An error in words, with the request that finds it in the head's log. */
export function describe(error) {
  if (!(error instanceof APIError)) return String(error);
  return [error.status ? `${error.code}: ${error.message}` : error.message, error.detail, error.requestId && `request ${error.requestId}`].filter(Boolean).join("\n");
}

let asking = null;

/** Asks for the token once, however many requests were refused; resolves when one was entered. */
export function askForToken() {
  asking ??= new Promise((resolve) => {
    const field = h("input", { type: "password", name: "token", autocomplete: "off", required: true, autofocus: true, "aria-label": "Token" });
    const dialog = h("dialog", {
      class: "dialog", oncancel: (event) => event.preventDefault(),
      onclose: () => { sessionStorage.setItem(tokenKey, field.value.trim()); dialog.remove(); asking = null; resolve(); },
    },
    h("form", { method: "dialog" }, h("h2", null, "This cluster asks for a token"),
      h("p", null, "It is printed by ", h("code", null, "manta start --head"), ". It is kept in this tab only."), field,
      h("div", { class: "dialog-buttons" }, h("button", { class: "button primary" }, "Continue"))));
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}
