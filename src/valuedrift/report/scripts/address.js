// Views as fragments of the address: #section?key=value&…. They are the same in every copy of the report.

import { element } from "./dom.js";

export function link(view, values) {
  const texts = Object.entries(values).map(
    ([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`,
  );
  return `#${view}${texts.length ? "?" : ""}${texts.join("&")}`;
}

export function parsed(fragment) {
  const [view, query = ""] = fragment.replace("#", "").split("?");
  return { view, values: Object.fromEntries(new URLSearchParams(query)) };
}

export const controlsOf = (section) => [...section.querySelectorAll("select[id], input[id]")];
export const keyOf = (section, control) => control.id.replace(`${section.id}-`, "");

// What the controls of a section show, with some of them changed.
export function fragmentOf(section, changes = {}) {
  const isUsed = (control) => control.value !== "" && !control.disabled && !control.closest(".field")?.hidden;
  const values = controlsOf(section).filter(isUsed);
  const shown = Object.fromEntries(values.map((control) => [keyOf(section, control), control.value]));
  return link(section.id, { ...shown, ...changes });
}

// Change the address without scrolling; the earlier one can be returned to.
export function write(fragment) {
  if (fragment !== location.hash) history.pushState(null, "", fragment || location.pathname + location.search);
}

// A button that copies the address of a view, whose fragment `find` returns.
export function copyButton(find) {
  const button = element("button", "copy", "Copy link");
  button.type = "button";
  button.addEventListener("click", async () => {
    const address = location.href.replace(/#.*/, "") + find();
    await navigator.clipboard.writeText(address).then(
      () => button.replaceChildren("Copied"),
      () => {
        write(find());
        button.replaceChildren("Copy it from the address bar");
      },
    );
    setTimeout(() => button.replaceChildren("Copy link"), 3000);
  });
  return button;
}
