// Elements without markup strings: text is always text, so nothing that a user named can become HTML.

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "vars") for (const [key, one] of Object.entries(value)) element.style.setProperty(`--${key}`, one);
    else if (name in element && typeof value !== "string") element[name] = value;
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** An HTML element: h("p", { class: "empty" }, "text", child, …). */
export const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);

/** An SVG element. */
export const svg = (tag, attributes, ...children) => build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export const byId = (id) => document.getElementById(id);

/** Replaces the text only when it differs, so selections and screen readers are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const toastLifetime = 6000;

/** A short message at the lower edge; errors stay longer and are announced. */
export function toast(text, kind = "ok") {
  const one = h("div", { class: `toast ${kind}` }, text);
  byId("toasts").append(one);
  setTimeout(() => one.remove(), kind === "bad" ? toastLifetime * 2 : toastLifetime);
}

/** Asks before something that cannot be undone; resolves to true when the user agreed. */
export function confirmation({ title, text, action }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog", { class: "dialog", "aria-labelledby": "dialog-title", onclose: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      h("form", { method: "dialog" },
        h("h2", { id: "dialog-title" }, title),
        h("p", null, text),
        h("div", { class: "dialog-buttons" },
          h("button", { class: "button", value: "no", autofocus: true }, "Cancel"),
          h("button", { class: "button danger", value: "yes" }, action))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied ${text}`);
  } catch {
    toast("The browser did not allow copying", "bad");
  }
}
