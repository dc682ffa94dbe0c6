"use strict";
/* Elements. Whatever others wrote is a child, and children that are texts become text nodes. */
(function (P) {
  const isPlain = (one) =>
    one !== null && typeof one === "object" && Object.getPrototypeOf(one) === Object.prototype;

  function filled(element, given) {
    const attributes = isPlain(given[0]) ? given[0] : {};
    const children = isPlain(given[0]) ? given.slice(1) : given;
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
    return element;
  }

  /* `what`: a name with classes, `p.soft`; then attributes, which may be left out, and children. */
  const el = (what, ...given) => {
    const [name, ...classes] = what.split(".");
    const element = document.createElement(name);
    if (classes.length) element.className = classes.join(" ");
    if (name === "button") element.type = "button";
    return filled(element, given);
  };

  P.el = el;

  P.svg = (name, ...given) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", name), given);

  /* What a screen reader says when something changed that the eye sees. */
  P.say = (text) => {
    document.getElementById("status").textContent = text;
  };

  P.option = (value, text, chosen) => el("option", { value, selected: value === chosen }, text);

  /* Its id stays over pages, so that the focus does too. */
  P.choice = (label, options, chosen, onchange) =>
    el(
      "label.choice",
      el("span", label),
      el(
        "select",
        {
          id: `choice-${label.toLowerCase()}`,
          onchange: (event) => onchange(event.target.value),
        },
        options.map(([value, text]) => P.option(value, text, chosen)),
      ),
    );

  P.thumb = (address, alt) => el("img", { src: address, alt, loading: "lazy", decoding: "async" });

  /* A table with a caption; cells are texts, numbers with class n, or elements. */
  P.table = (caption, header, rows) => {
    const numeric = (k) =>
      rows.length && rows[0][k] instanceof Element && rows[0][k].classList.contains("n");
    return el(
      "div.scroll",
      { tabindex: "0", role: "region", "aria-label": caption },
      el(
        "table.plain",
        el("caption", el("span", caption)),
        el(
          "thead",
          el(
            "tr",
            header.map((text, k) =>
              el("th", { scope: "col", class: numeric(k) ? "n" : null }, text),
            ),
          ),
        ),
        el(
          "tbody",
          rows.map((row) =>
            el(
              "tr",
              row.map((cell, k) => el(k ? "td" : "th", k ? {} : { scope: "row" }, cell)),
            ),
          ),
        ),
      ),
    );
  };

  /* Runs once for an element when it comes near the window. */
  P.whenNear = (element, run) => {
    const observer = new IntersectionObserver(
      (seen) => {
        if (seen.some((one) => one.isIntersecting)) {
          observer.disconnect();
          run();
        }
      },
      { rootMargin: "300px" },
    );
    observer.observe(element);
  };

  P.later = (run, milliseconds) => {
    let timer = 0;
    return (...given) => {
      clearTimeout(timer);
      timer = setTimeout(() => run(...given), milliseconds);
    };
  };
})(PGBENCH);
