"use strict";
/* Plots. Plot gives each drawing a style element, which the page's policy refuses: it is taken out
   before the drawing enters the page, and site.css holds its rules. */
(function (P) {
  const { el } = P;

  P.plot = (words, options) => {
    const drawn = Plot.plot({ className: "pgplot", ariaLabel: words, ...options });
    for (const style of drawn.querySelectorAll("style")) style.remove();
    if (drawn.tagName === "svg") drawn.setAttribute("role", "img");
    return drawn;
  };

  /* Draws into a figure when it comes near, and again when its width changes. */
  P.figure = (caption, draw) => {
    const place = el("div.plot");
    let width = 0;
    const redraw = () => place.replaceChildren(draw(width));
    const observer = new ResizeObserver(() => {
      const now = Math.floor(place.clientWidth);
      if (now && now !== width) {
        width = now;
        redraw();
      }
    });
    P.whenNear(place, () => observer.observe(place));
    const figure = el("figure", place, el("figcaption", caption));
    figure.redraw = () => width && redraw();
    return figure;
  };
})(PGBENCH);
