"use strict";
// Elements are made one by one, and texts are set as text: nothing is ever read as markup.
const el = (name, settings = {}, ...inside) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(settings)) {
    if (key === "text") made.textContent = value;
    else if (key === "on") for (const [event, does] of Object.entries(value)) made.addEventListener(event, does);
    else if (typeof value === "boolean") made.toggleAttribute(key, value);
    else made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
};
const paragraphs = (text) => text.split(/\n\s*\n/).map((part) => el("p", { text: part.replace(/\s+/g, " ").trim() }));
const address = (code) => `media/${encodeURIComponent(code)}.png`;
const picture = (code, name) => el("img", { src: address(code), alt: name, draggable: "false" });
const NAMES = { "⌫": "Backspace" };
const keyed = (text, key, does, kind = "button") =>
  el("button", { type: "button", class: kind, on: { click: does }, ...(key && { "aria-keyshortcuts": NAMES[key] ?? key }) },
    el("span", { text }), ...(key ? [el("kbd", { text: key, "aria-hidden": "true" })] : []));
// What is shown above the pictures that are judged.
const above = (codes, caption) => (codes.length === 0 ? [] : [
  el("figure", { class: `above n${codes.length}` },
    el("figcaption", { text: caption }),
    el("div", { class: "strip" }, ...codes.map((code, k) => picture(code, `${caption} ${k + 1}`)))),
]);
// Resolves when every picture below can be seen, or cannot be had.
const ready = (place) => Promise.all([...place.querySelectorAll("img")].map((image) =>
  image.decode().catch(() => image.classList.add("lost"))));
const preload = (trial) => [...trial.pictures, ...trial.shown].forEach((code) => { new Image().src = address(code); });
