"use strict";
/* Elements. Whatever others wrote is a child, and children that are texts become text nodes. */
(function (P) {
  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
    return element;
  }

  P.el = (name, attributes, ...children) =>
    filled(document.createElement(name), attributes, children);

  P.svg = (name, attributes, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

  /* What a screen reader says when something changed that the eye sees. */
  P.say = (text) => {
    document.getElementById("status").textContent = text;
  };

  P.option = (value, text, chosen) =>
    P.el("option", { value, selected: value === chosen }, text);

  P.choice = (label, options, chosen, onchange) =>
    P.el("label", { class: "choice" }, P.el("span", {}, label),
      P.el("select", { onchange: (event) => onchange(event.target.value) },
        options.map(([value, text]) => P.option(value, text, chosen))));

  P.thumb = (address, alt) =>
    P.el("img", { src: address, alt, loading: "lazy", decoding: "async" });

  /* A table with a caption; cells are texts, numbers with class n, or elements. */
  P.table = (caption, header, rows) => {
    const numeric = (k) => rows.length && rows[0][k] instanceof Element && rows[0][k].classList.contains("n");
    return P.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      P.el("table", { class: "plain" },
        P.el("caption", {}, caption),
        P.el("thead", {}, P.el("tr", {}, header.map((text, k) => P.el("th", { scope: "col", class: numeric(k) ? "n" : null }, text)))),
        P.el("tbody", {}, rows.map((row) =>
          P.el("tr", {}, row.map((cell, k) =>
            P.el(k ? "td" : "th", k ? {} : { scope: "row" }, cell)))))));
  };

  /* Runs once for an element when it comes near the window. */
  P.whenNear = (element, run) => {
    const observer = new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) {
        observer.disconnect();
        run();
      }
    }, { rootMargin: "300px" });
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
