"use strict";
class RankPlugin extends Question {
  static info = { name: "pgbench-rank", version: "1", data: {}, parameters: { asked: any, question: any } };
  trial(display, { asked, question }, loaded) {
    this.begin(display, loaded, (answer) => {
      let order = [];
      const n = asked.pictures.length;
      const said = el("p", { class: "hint", "aria-live": "polite" });
      const cards = asked.pictures.map((code, k) =>
        el("button", { type: "button", class: "choice", on: { click: (event) => { toggle(k); if (event.detail) event.currentTarget.blur(); } } },
          picture(code, `Picture ${k + 1}`), el("kbd", { text: String(k + 1) }), el("span", { class: "place" })));
      const undo = keyed("Undo", "⌫", () => toggle(order.at(-1)));
      const confirm = keyed("Confirm", "Enter", () => order.length === n && answer({ order }), "button main");
      const draw = () => {
        cards.forEach((card, k) => {
          const place = order.indexOf(k);
          card.classList.toggle("placed", place >= 0);
          card.setAttribute("aria-label", `Picture ${k + 1}, ${place < 0 ? "not placed" : `place ${place + 1}`}`);
          card.lastChild.textContent = place < 0 ? "" : `${place + 1}.`;
        });
        undo.disabled = order.length === 0;
        confirm.disabled = order.length < n;
        said.textContent = order.length === n ? "All are placed: confirm, or undo." : `Choose number ${order.length + 1} of ${n}.`;
      };
      const toggle = (k) => {
        if (k === undefined) return;
        order = order.includes(k) ? order.filter((other) => other !== k) : [...order, k];
        draw();
      };
      display.replaceChildren(el("section", { class: "rank" }, head(question), ...above(asked.shown, ABOVE[asked.question]),
        el("div", { class: `cards of${n}` }, ...cards), said, el("div", { class: "buttons" }, undo, confirm)));
      draw();
      const keys = { Backspace: () => toggle(order.at(-1)), Enter: () => order.length === n && answer({ order }) };
      cards.forEach((card, k) => { keys[k + 1] = () => toggle(k); });
      return keys;
    });
  }
  guess({ asked }) { return { order: this.jsPsych.randomization.shuffle(asked.pictures.map((code, k) => k)) }; }
  act(said) { said.order.forEach((k) => press(String(k + 1))); press("Enter"); }
}
