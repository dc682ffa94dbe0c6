"use strict";
const AGREE = ["I agree", true];
const DECLINE = ["I do not want to take part", false];
(async () => {
  const study = PGBENCH.get("study");
  const stage = document.getElementById("stage");
  const asked = new URLSearchParams(location.search);
  const notice = (text) => Object.assign(document.getElementById("notice"), { textContent: text, hidden: !text });
  const tell = (title, text, ...more) => stage.replaceChildren(el("article", { class: "text" }, el("h1", { text: title }), ...paragraphs(text), ...more));
  if (!study) { tell("This study is not whole", "The file study.js is missing beside this page."); return; }
  document.title = study.title;
  if (!globalThis.crypto?.subtle) { tell("This page is not secure", "Open it from a disk, from this machine, or by an address that begins with https."); return; }

  // A code is in the address behind #, typed, or handed out to who comes from Prolific.
  const tidy = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const typed = (wrong) => new Promise((resolve) => {
    const input = el("input", { id: "code", autocomplete: "off", spellcheck: "false", autocapitalize: "none", maxlength: "40" });
    const form = el("form", { class: "code", on: { submit: (event) => { event.preventDefault(); resolve(tidy(input.value)); } } },
      el("label", { for: "code", text: "Your code" }), input, el("button", { class: "button main", text: "Begin" }));
    tell(study.title, wrong ? "There is no session of this code. Is it typed as you got it?" : "You were given a code. Type it here to begin, or to go on.", form);
    input.focus();
  });
  // A key that is pressed, or a button: resolves to what was chosen.
  const chosen = (title, text, buttons) => new Promise((resolve) => {
    const made = buttons.map(([words, value], k) => keyed(words, "", () => resolve(value), k ? "button" : "button main"));
    tell(title, text, el("div", { class: "buttons" }, ...made));
    made[0].focus();
  });
  const claimed = async (person) => {
    let reason = "The server cannot be reached.";
    try {
      const reply = await fetch("claims", {
        method: "POST", headers: { "Content-Type": "application/json" }, credentials: "omit",
        body: JSON.stringify({ study: study.id, person, key: asked.get("key") ?? "" }),
      });
      const said = await reply.json();
      if (reply.ok) return said.code;
      reason = `The server says: ${said.refused}.`;
    } catch { /* it is told so */ }
    await chosen("You got no code yet", `${reason} Nothing of you is kept. Wait a little and try again; if that does not help, tell whoever invited you.`, [["Try again", true]]);
    return claimed(person);
  };
  const leave = () => tell("You do not take part", "Nothing was kept. You may close this page.");
  const session = async (code) => {
    const hash = await PGBENCH.sha256(code);
    try { return { code, hash, trials: (await PGBENCH.session(hash)).trials }; } catch { return null; }
  };
  let code = tidy(location.hash.slice(1));
  const prolific = asked.get("PROLIFIC_PID");
  const arrived = !code && prolific;
  if (arrived) {
    if (!await chosen(study.title, study.consent, [AGREE, DECLINE])) { leave(); return; }
    code = await claimed(await PGBENCH.sha256(`${study.id} ${prolific}`));
  }
  let found = code && await session(code);
  while (!found) found = await session(await typed(Boolean(found === null)));
  history.replaceState(null, "", `${location.pathname}${prolific ? "" : location.search}#${found.code}`);
  const simulated = ["data-only", "visual"].includes(asked.get("simulate")) ? asked.get("simulate") : "";

  window.addEventListener("hashchange", () => location.reload());

  const { trials } = found;
  const answers = new Answers(study, found.code, found.hash, () => draw(), simulated && !study.rehearsal);
  const bar = document.getElementById("bar");
  const draw = () => {
    const n = trials.filter((trial) => answers.has(trial.id)).length;
    document.getElementById("progress").value = n / trials.length;
    document.getElementById("done").textContent = `${n} of ${trials.length}`;
    notice(answers.refused || (answers.dry ? "A simulation: nothing is sent or kept." : study.rehearsal ? "A rehearsal: these answers do not count." : answers.posts && answers.unsent.length > 3 ? `${answers.unsent.length} answers wait to be sent. Go on: they are kept on this device.` : ""));
  };

  stage.replaceChildren();
  const jsPsych = initJsPsych({ display_element: stage, override_safe_mode: true, on_finish: () => finish() });
  const kinds = { elicit: ElicitPlugin, pair: PairPlugin, rank: RankPlugin };
  let declined = false;
  if (arrived) answers.update((now) => { now.consent = true; });
  const state = answers.read();
  const opening = [];
  if (!state.consent) {
    opening.push({ type: TextPlugin, title: study.title, text: study.consent, agree: AGREE[0], decline: DECLINE[0],
      on_finish: ({ said }) => {
        if (said) answers.update((now) => { now.consent = true; });
        else { declined = true; jsPsych.abortExperiment(); }
      } });
  }
  if (!state.begun) {
    opening.push({ type: TextPlugin, title: "What you will do", text: study.instructions, agree: "Begin",
      on_finish: () => answers.update((now) => { now.begun = true; }) });
  }
  const left = trials.filter((trial) => !answers.has(trial.id));
  const questions = left.map((trial, k) => ({
    type: kinds[trial.kind], asked: trial, question: study.questions[`${trial.question}/${trial.kind}`] ?? study.questions[trial.question], choices: study.choices,
    on_start: () => { bar.hidden = false; if (left[k + 1]) preload(left[k + 1]); },
    on_finish: ({ said, milliseconds }) => answers.record(trial.id, said, milliseconds),
  }));
  const closing = answers.has("remarks") ? [] : [{ type: RemarksPlugin,
    on_finish: ({ said, milliseconds }) => answers.record("remarks", said, milliseconds) }];
  const timeline = [...opening, ...questions, ...closing];

  const download = () => {
    const link = el("a", { href: URL.createObjectURL(new Blob([answers.document], { type: "application/json" })), download: `answers-${found.hash.slice(0, 8)}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const finish = async () => {
    bar.hidden = true;
    stage.className = "";
    if (declined) { leave(); return; }
    if (answers.dry) { tell("Simulated", "A participant was simulated. Nothing was sent and nothing is kept: this study is not a rehearsal."); stage.dataset.done = "true"; return; }
    const how = el("p", { id: "state", role: "status" });
    const save = keyed("Download my answers", "", download, answers.posts ? "button" : "button main");
    const on = /^https?:\/\//.test(study.completion) ? [el("p", {}, el("a", { class: "button main", href: study.completion, rel: "noreferrer", text: "Go on to where you came from" }))] : [];
    tell("Thank you", `Your code is ${found.code}. Whoever has it can have your answers deleted: keep it if you may want that.`, how, el("div", { class: "buttons" }, save), ...on);
    stage.dataset.done = "true";
    if (!answers.posts) { how.textContent = `Download your ${answers.list.length} answers and send the file to whoever invited you.`; return; }
    how.textContent = "Your answers are being sent; please wait.";
    answers.refused = "";  // what stood in the way may be away by now
    await answers.send();
    const lost = answers.refused || answers.rejected;
    how.textContent = answers.refused || (lost
      ? `${answers.rejected} answers could not be taken. Download your answers, please, and send the file to whoever invited you.`
      : `All ${answers.list.length} answers have been received. You may close this page.`);
    stage.dataset.sent = String(!lost);
  };

  draw();
  answers.send();
  if (timeline.length === 0) await finish();
  else if (simulated) await jsPsych.simulate(timeline, simulated);
  else await jsPsych.run(timeline);
})();
