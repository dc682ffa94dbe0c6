"use strict";
/* What all pages have in common: their data, heads and messages. */
(function (P) {
  const { el } = P;

  const NOUNS = { person: ["person", "people"], prompt: ["prompt", "prompts"] };

  /* A board with its link in the index; `rows`: methods then anchors; `nouns`: one and several of
     what its numbers are over. */
  P.board = async (slug) => {
    const index = await P.want("index");
    const link = index.boards.find((one) => one.slug === slug);
    if (!link) throw new Error(`there is no board ${slug} here`);
    const page = await P.want(`board/${slug}`);
    const standings = page.standings;
    const rows = [...standings.methods, ...standings.anchors];
    const unit = page.unit ?? standings.protocol.unit;
    return {
      slug,
      link,
      page,
      standings,
      rows,
      nouns: P.own(NOUNS, unit) || NOUNS.person,
      byPrompt: unit === "prompt",
      columns: page.columns,
      headline: page.columns.find((column) => column.headline),
    };
  };

  P.units = (board, count) => P.plural(count, ...board.nouns);

  /* The number of the row that an address names: by label, or by place, `~3`; -1: there is none. */
  P.rowOf = (board, name) => {
    if (/^~\d+$/.test(name || "")) {
      const place = Number(name.slice(1));
      return place < board.rows.length ? place : -1;
    }
    const by = board.page.rows.filter((facts) => facts.label === name);
    return by.length === 1 ? by[0].row : -1;
  };

  P.nameOf = (board, k) => {
    const label = board.page.rows[k].label;
    const alone = board.page.rows.filter((facts) => facts.label === label).length === 1;
    return alone && label && !label.startsWith("~") ? label : `~${k}`;
  };

  /* What an address asks for and is not here. */
  P.gone = (what, names) =>
    names.map((name) => el("p.warning", { role: "note" }, `There is no ${what} ${name} here.`));

  /* Means of one column by row and user; null where the column is not by user. */
  P.valuesOf = async (board, column) =>
    column.by_user === false
      ? null
      : P.want(`values/${board.slug}/${board.columns.indexOf(column)}`);

  P.valueFor = (values, row, user) => {
    const k = values ? values.users.indexOf(user) : -1;
    return k < 0 ? null : values.values[row][k];
  };

  const TABS = [
    ["", "Table"],
    ["compare", "Compare"],
    ["gallery", "Gallery"],
    ["people", "People"],
    ["costs", "Costs"],
  ];

  P.heading = (board, current, title, ...below) => {
    const { link } = board;
    const heading = el("h1", { tabindex: "-1" }, title);
    const tabs = TABS.map(([path, text]) =>
      el(
        "a",
        {
          href: P.link(path ? ["board", link.slug, path] : ["board", link.slug]),
          "aria-current": path === current ? "page" : null,
        },
        text,
      ),
    );
    return el(
      "header.head",
      el(
        "p.crumbs",
        el("a", { href: "#/" }, "All boards"),
        " / ",
        current === "" ? link.name : el("a", { href: P.link(["board", link.slug]) }, link.name),
      ),
      heading,
      ...below,
      el("nav.tabs", { "aria-label": "Parts of this board" }, tabs),
    );
  };

  P.fact = (name, ...value) => el("span.fact", el("span.fact-name", name), " ", ...value);

  P.section = (title, ...content) => el("section", el("h2", title), ...content);

  P.notes = (texts, kind = "") =>
    texts.length
      ? el(
          "ul",
          { class: `notes ${kind}`.trim() },
          texts.map((text) => el("li", text)),
        )
      : null;

  /* A window with the words on a column; closed by Escape as by its button. */
  P.explain = (board, column) => {
    const close = el("button.quiet", { onclick: () => shown.close() }, "Close");
    const shown = el(
      "dialog.card",
      { "aria-label": `About ${column.metric}` },
      P.card(board, column),
      el("p.actions", close),
    );
    shown.addEventListener("close", () => shown.remove());
    shown.addEventListener("click", (event) => event.target === shown && shown.close());
    document.body.append(shown);
    shown.showModal();
  };

  const better = {
    higher: "higher is better",
    lower: "lower is better",
    none: "neither end is better",
  };

  P.better = (column) => P.own(better, column.direction) || column.direction;

  const estimate = (found) => {
    if (!found || typeof found !== "object") return P.short(found);
    const interval =
      P.short(found.low) === "\u2013" ? "" : ` [${P.short(found.low)}, ${P.short(found.high)}]`;
    return P.short(found.value) + interval;
  };

  function audited(audit) {
    const fooled = audit.fooled_by || [];
    return [
      ["Follows true taste, over methods", estimate(audit.over_methods)],
      ["Follows true taste, over people", estimate(audit.over_users)],
      ["Best honest method", P.short(audit.best_honest)],
      ["When hacked", `${P.short(audit.hacked)}, with true taste ${P.short(audit.hacked_taste)}`],
      ["Fooled by", fooled.length ? fooled.join(", ") : "nobody"],
      [
        "Audited on",
        [audit.board, audit.n_users ? `${audit.n_users} people` : ""].filter(Boolean).join(", "),
      ],
    ].filter(([, value]) => value);
  }

  P.card = (board, column) => {
    const known = Object.keys(column.audit || {}).length > 0;
    const entries = [
      ["Measures", column.card || "\u2013"],
      ["Does not show", column.does_not_show || "\u2013"],
      ["Direction", P.better(column) + (column.headline ? "; ranks the board" : "")],
      ["Judged by", column.human ? "people" : null],
      ["Signature", el("code", column.signature)],
    ].filter(([, value]) => value);
    const list = (pairs) =>
      el(
        "dl",
        pairs.map(([name, value]) => [el("dt", name), el("dd", value)]),
      );
    return el(
      "div.explained",
      el("h3", column.header),
      list(entries),
      known || board.page.audited !== false
        ? [
            el("h4", "In the audit of metrics"),
            known ? list(audited(column.audit)) : el("p.soft", "Not audited."),
          ]
        : null,
    );
  };
})(PGBENCH);
