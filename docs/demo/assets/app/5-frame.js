"use strict";
/* What all pages have in common: their data, heads and messages. */
(function (P) {
  const { el } = P;

  /* A board with its link in the index; `ranked`: its rows, methods then anchors. */
  P.board = async (slug) => {
    const index = await P.want("index");
    const link = index.boards.find((one) => one.slug === slug);
    if (!link) throw new Error(`there is no board ${slug} here`);
    const page = await P.want(`board/${slug}`);
    const standings = page.standings;
    const rows = [...standings.methods, ...standings.anchors];
    return {
      slug,
      link,
      page,
      standings,
      rows,
      columns: page.columns,
      headline: page.columns.find((column) => column.headline),
    };
  };

  /* The number of the row that an address names: by label, or by place where labels are alike. */
  P.rowOf = (board, name) => {
    const by = board.page.rows.filter((facts) => facts.label === name);
    if (by.length === 1) return by[0].row;
    const place = /^\d+$/.test(name || "") ? Number(name) : -1;
    return place < board.rows.length ? place : -1;
  };

  P.nameOf = (board, k) => {
    const label = board.page.rows[k].label;
    return board.page.rows.filter((facts) => facts.label === label).length === 1
      ? label
      : String(k);
  };

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

  P.notes = (texts) =>
    texts.length
      ? el(
          "ul.notes",
          texts.map((text) => el("li", text)),
        )
      : null;

  /* A window with the words on a column; closed by Escape as by its button. */
  P.explain = (board, column) => {
    const close = el("button.quiet", { onclick: () => shown.close() }, "Close");
    const shown = el(
      "dialog.card",
      { "aria-label": `About ${column.metric}` },
      P.card(column),
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

  P.better = (column) => better[column.direction] || column.direction;

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

  P.card = (column) => {
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
      el("h4", "In the audit of metrics"),
      known ? list(audited(column.audit)) : el("p.soft", "Not audited."),
    );
  };
})(PGBENCH);
