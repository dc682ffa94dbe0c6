"use strict";
// The questions, as jsPsych asks them. Every plugin ends with `{said, milliseconds}`.
const { ParameterType } = jsPsychModule;
const any = { type: ParameterType.COMPLEX, default: null };
const ABOVE = { taste: "Liked by this person", alignment: "To be kept to", like: "" };

class Question {
  constructor(jsPsych) { this.jsPsych = jsPsych; }
  // Show, wait for the pictures, then begin to count; `show` is given a function that answers.
  begin(display, loaded, show) {
    const over = new AbortController();
    let since = null;
    const answer = (said) => {
      if (since === null || over.signal.aborted) return;
      over.abort();
      this.jsPsych.pluginAPI.cancelAllKeyboardResponses();
      this.jsPsych.finishTrial({ said, milliseconds: performance.now() - since });
    };
    const keys = show(answer);
    display.classList.add("loading");
    ready(display).then(() => {
      display.classList.remove("loading");
      since = performance.now();
      this.listen(keys, over.signal);
      loaded?.();
    });
  }
  listen(keys, signal) {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.key === "Enter" && event.target.closest?.("button, textarea")) return;
      const does = keys[event.key];
      if (does) { event.preventDefault(); does(); }
    }, { signal });
  }
  // A participant of jsPsych's simulation.
  simulate(trial, mode, options, loaded) {
    const said = options.data?.said ?? this.guess(trial);
    const milliseconds = options.data?.milliseconds ?? 600 + 1500 * Math.random();
    if (mode === "data-only") {
      loaded();
      this.jsPsych.finishTrial({ said, milliseconds });
      return;
    }
    this.trial(this.jsPsych.getDisplayElement(), trial, () => {
      loaded();
      setTimeout(() => this.act(said), Math.min(milliseconds, 40));
    });
  }
}
const one = (list) => list[Math.floor(Math.random() * list.length)];
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const head = (text, hint) => el("div", { class: "ask" }, el("h1", { text }), ...(hint ? [el("p", { class: "hint", text: hint })] : []));

class TextPlugin extends Question {
  static info = { name: "pgbench-text", version: "1", data: {}, parameters: { title: any, text: any, agree: any, decline: any } };
  trial(display, trial, loaded) {
    this.begin(display, loaded, (answer) => {
      const buttons = [keyed(trial.agree, "Enter", () => answer(true), "button main")];
      if (trial.decline) buttons.push(keyed(trial.decline, "", () => answer(false)));
      display.replaceChildren(el("article", { class: "text" }, el("h1", { text: trial.title }),
        ...paragraphs(trial.text), el("div", { class: "buttons" }, ...buttons)));
      return { Enter: () => answer(true) };
    });
  }
  guess() { return true; }
  act() { press("Enter"); }
}

class ElicitPlugin extends Question {
  static info = { name: "pgbench-elicit", version: "1", data: {}, parameters: { asked: any, question: any } };
  trial(display, { asked, question }, loaded) {
    this.begin(display, loaded, (answer) => {
      const like = () => answer({ rating: "like" });
      const dislike = () => answer({ rating: "dislike" });
      display.replaceChildren(el("section", { class: "elicit" }, head(question),
        el("figure", { class: "shown" }, picture(asked.pictures[0], "Picture")),
        el("div", { class: "buttons" }, keyed("I like it", "1", like), keyed("I do not", "2", dislike))));
      return { 1: like, 2: dislike };
    });
  }
  guess() { return { rating: one(["like", "dislike"]) }; }
  act(said) { press(said.rating === "like" ? "1" : "2"); }
}

class PairPlugin extends Question {
  static info = { name: "pgbench-pair", version: "1", data: {}, parameters: { asked: any, question: any, choices: any } };
  static keys = { first: "1", second: "2", tie: "0", "both-bad": "9" };
  static words = { tie: "Both equally", "both-bad": "Neither" };
  trial(display, { asked, question, choices }, loaded) {
    this.begin(display, loaded, (answer) => {
      const does = (choice) => () => answer({ choice });
      const sides = ["first", "second"].map((side, k) =>
        el("button", { type: "button", class: "choice", "aria-label": `${k ? "Right" : "Left"} picture, key ${k + 1}`, on: { click: does(side) } },
          picture(asked.pictures[k], k ? "Right picture" : "Left picture"), el("kbd", { text: String(k + 1) })));
      const others = choices.filter((choice) => PairPlugin.words[choice])
        .map((choice) => keyed(PairPlugin.words[choice], PairPlugin.keys[choice], does(choice)));
      display.replaceChildren(el("section", { class: "pair" }, head(question),
        ...above(asked.shown, ABOVE[asked.question]), el("div", { class: "sides" }, ...sides),
        el("div", { class: "buttons" }, ...others)));
      return Object.fromEntries(choices.map((choice) => [PairPlugin.keys[choice], does(choice)]));
    });
  }
  guess({ choices }) { return { choice: one(choices) }; }
  act(said) { press(PairPlugin.keys[said.choice]); }
}

class RemarksPlugin extends Question {
  static info = { name: "pgbench-remarks", version: "1", data: {}, parameters: {} };
  trial(display, trial, loaded) {
    this.begin(display, loaded, (answer) => {
      const text = el("textarea", { rows: "5", maxlength: "2000", id: "remarks" });
      display.replaceChildren(el("article", { class: "text" },
        el("h1", { text: "Is there anything you want to tell us?" }),
        el("label", { for: "remarks", text: "You may leave this empty. Do not write who you are." }), text,
        el("div", { class: "buttons" }, keyed("Finish", "", () => answer({ comment: text.value }), "button main"))));
      return {};
    });
  }
  guess() { return { comment: "" }; }
  act() { document.querySelector(".button.main").click(); }
}
