"use strict";
// The answers of one participant: on this device at once, and sent one at a time until they are kept.
class Answers {
  // `dry`: nothing is sent and nothing outlives the page.
  constructor(study, code, hash, changed, dry) {
    Object.assign(this, { study, code, changed, dry });
    this.place = `pgbench-study/${study.id}/${hash}`;
    this.memory = null;
    this.volatile = dry;
    this.wait = 1000;
    this.sending = null;
    this.refused = "";
    this.posts = study.post_to !== "" && location.protocol !== "file:" && !dry;
  }
  read() {
    if (this.volatile && this.memory) return this.memory;
    try {
      const kept = this.dry ? null : JSON.parse(localStorage.getItem(this.place));
      if (kept && kept.answers) return kept;
    } catch { /* a browser that keeps nothing: the answers live as long as the page */ }
    return this.memory ?? { consent: false, begun: false, answers: {}, sent: {} };
  }
  update(change) {
    const state = this.read();
    change(state);
    this.memory = state;
    if (!this.dry) {
      try { localStorage.setItem(this.place, JSON.stringify(state)); } catch { this.volatile = true; }
    }
    this.changed();
  }
  has(trial) { return trial in this.read().answers; }
  get list() { return Object.values(this.read().answers); }
  get unsent() {
    const { answers, sent } = this.read();
    return Object.keys(answers).filter((trial) => !sent[trial]).map((trial) => answers[trial]);
  }
  // How many the server will not have, whatever is tried.
  get rejected() { return Object.values(this.read().sent).filter((status) => status === 413 || status === 422).length; }
  // The first answer to a trial stays, whichever tab it was given in.
  record(trial, said, milliseconds) {
    const answer = {
      study: this.study.id, code: this.code, trial, ...said,
      milliseconds: Math.round(milliseconds * 10) / 10, said_at: new Date().toISOString(),
    };
    this.update((state) => { state.answers[trial] ??= answer; });
    this.send();
  }
  // Resolves when all that there is has been kept by the server, or will not be kept by it.
  send() {
    if (!this.posts || this.refused) return Promise.resolve();
    this.sending ??= this.drain().finally(() => { this.sending = null; });
    return this.sending;
  }
  async drain() {
    for (let next = this.unsent[0]; next && !this.refused; next = this.unsent[0]) {
      const pause = await this.post(next);
      if (pause) await new Promise((resume) => { setTimeout(resume, pause); });
    }
  }
  // Milliseconds to wait before the next try; 0 where the answer is settled.
  async post(answer) {
    let reply;
    try {
      reply = await fetch(this.study.post_to, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify(answer), credentials: "omit", cache: "no-store", keepalive: true,
      });
    } catch {
      return this.later();
    }
    const kept = reply.ok && (await reply.json().catch(() => null))?.kept === answer.trial;
    if (kept || [409, 413, 422].includes(reply.status)) {
      this.wait = 1000;
      this.update((state) => { state.sent[answer.trial] = reply.status; });
      return 0;
    }
    if (reply.status === 410) return this.refuse("The study does not take answers under this code any more.");
    const passes = [408, 425, 429].includes(reply.status) || (reply.status >= 500 && reply.status !== 501);
    if (passes) return this.later(Number(reply.headers.get("Retry-After")) * 1000);
    return this.refuse(`Your answers cannot be sent from this page (${reply.status}). They are kept on this device: at the end, download them, please, and send the file to whoever invited you.`);
  }
  refuse(reason) {
    this.refused = reason;
    this.changed();
    return 0;
  }
  later(said = 0) {
    this.wait = Math.min(this.wait * 2, 30000);
    return Math.max(said || 0, said ? 0 : this.wait);
  }
  get document() {
    return JSON.stringify({ study: this.study.id, answers: this.list }, null, 1);
  }
}
