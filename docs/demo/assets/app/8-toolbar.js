"use strict";
/* What is shown of a board: search, rows, hidden columns and limits, each with a chip that undoes it. */
(function (P) {
  const { el } = P;

  const LIMIT = /^(.+)(>=|<=)(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
  const KINDS = { method: "methods", anchor: "anchors", reported: "reported rows" };

  /* Which rows an address means that does not say: the complete ones, where there are any. */
  P.usualRows = (board) => (board.page.rows.some((facts) => facts.complete) ? "complete" : "all");

  /* State of the table, read from an address. */
  P.stateOf = (board, asked) => {
    const fields = P.fields(board);
    const isColumn = (metric) => board.columns.some((column) => column.metric === metric);
    const sort = asked.get("sort") || "";
    return {
      q: asked.get("q") || "",
      rows: ["complete", "all"].includes(asked.get("rows"))
        ? asked.get("rows")
        : P.usualRows(board),
      without: asked.getAll("without").filter((kind) => P.own(KINDS, kind)),
      hide: asked.getAll("hide").filter((name) => name !== "method" && fields.has(name)),
      where: asked
        .getAll("where")
        .filter((text) => LIMIT.test(text) && isColumn(limit(text).metric)),
      sort: fields.has(sort.replace(/^-/, "")) ? sort : "",
      pick: asked.getAll("pick").filter((name) => P.rowOf(board, name) >= 0),
      cost: asked.get("cost") || "",
      other: asked.get("other") || "",
    };
  };

  P.queryOf = (board, state) => ({
    ...state,
    rows: state.rows === P.usualRows(board) ? "" : state.rows,
  });

  const limit = (text) => {
    const [, metric, sign, bound] = LIMIT.exec(text);
    return { metric, sign, bound: Number(bound) };
  };

  /* Whether a row is shown; bounds are compared with what is printed. */
  P.passes = (board, state) => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const bounds = state.where.map(limit).map((one) => ({
      ...one,
      column: board.columns.find((column) => column.metric === one.metric),
    }));
    return (row) => {
      const text = [row.label, row.kind, row.paper?.title, row.row?.mark].join(" ").toLowerCase();
      return (
        (state.rows === "all" || row.complete) &&
        !state.without.includes(row.kind) &&
        words.every((word) => text.includes(word)) &&
        bounds.every(({ metric, column, sign, bound }) => {
          const value = P.own(row.cells, metric)?.mean;
          if (value === null || value === undefined) return false;
          const printed = P.printed(value, column);
          return sign === ">=" ? printed >= bound : printed <= bound;
        })
      );
    };
  };

  /* `change(part)` sets part of the state and shows the outcome. */
  P.chips = (board, state, nIncomplete, change) => {
    const chip = (text, undone) =>
      el(
        "li",
        el(
          "button.chip",
          { "aria-label": `Remove filter: ${text}`, onclick: () => change(undone) },
          text,
          el("span", { "aria-hidden": "true" }, " \u00d7"),
        ),
      );
    const without = (name, gone) => ({ [name]: state[name].filter((one) => one !== gone) });
    return [
      state.rows === "complete" && nIncomplete
        ? chip(`only complete rows (${nIncomplete} hidden)`, { rows: "all" })
        : null,
      state.q ? chip(`search: ${state.q}`, { q: "" }) : null,
      ...state.without.map((kind) => chip(`no ${KINDS[kind]}`, without("without", kind))),
      ...state.where.map((text) =>
        chip(text.replace(">=", " \u2265 ").replace("<=", " \u2264 "), without("where", text)),
      ),
      ...state.hide.map((name) => chip(`hidden: ${name}`, without("hide", name))),
    ].filter(Boolean);
  };

  function ticks(options, chosen, onchange) {
    return options.map(([value, text]) =>
      el(
        "label.tick",
        el("input", {
          type: "checkbox",
          value,
          checked: chosen(value),
          onchange: (event) => onchange(value, event.target.checked),
        }),
        " ",
        text,
      ),
    );
  }

  const menu = (title, ...content) =>
    el("details.menu", el("summary", title), el("div.menu-body", ...content));

  /* Boxes anew, with the focus on the one that had it. */
  function renewed(place, boxes) {
    const focused = place.contains(document.activeElement) ? document.activeElement.value : null;
    place.replaceChildren(...boxes);
    if (focused !== null)
      [...place.querySelectorAll("input")].find((box) => box.value === focused)?.focus();
  }

  const toggled = (list, name, on) =>
    on ? [...new Set([...list, name])] : list.filter((one) => one !== name);

  function limits(board, change, state) {
    const column = el(
      "select",
      { "aria-label": "Column" },
      board.columns.map((one) => P.option(one.metric, one.header)),
    );
    const sign = el(
      "select",
      { "aria-label": "Comparison" },
      P.option(">=", "at least"),
      P.option("<=", "at most"),
    );
    const bound = el("input", {
      type: "number",
      step: "any",
      "aria-label": "Bound",
      required: true,
    });
    const add = (event) => {
      event.preventDefault();
      const text = `${column.value}${sign.value}${Number(bound.value)}`;
      if (bound.value !== "" && LIMIT.test(text))
        change({ where: toggled(state().where, text, true) });
    };
    return el(
      "form.limits",
      { onsubmit: add },
      column,
      sign,
      bound,
      el("button.quiet", { type: "submit" }, "Add filter"),
    );
  }

  /* `state`: a function, for what is shown changes below these controls; `refresh` follows it. */
  P.toolbar = (board, state, change) => {
    const search = el("input", {
      type: "search",
      id: "search",
      placeholder: "Search methods",
      "aria-label": "Search methods",
      value: state().q,
      oninput: P.later((event) => change({ q: event.target.value.trim() }), 120),
    });
    const rows = el(
      "select",
      {
        "aria-label": "Rows",
        id: "rows",
        onchange: (event) => change({ rows: event.target.value }),
      },
      P.option("complete", "complete rows"),
      P.option("all", "all rows"),
    );
    const kinds = el("div");
    const columns = el("div");
    const names = [...P.fields(board).keys()].filter((name) => name !== "method");
    const refresh = () => {
      if (document.activeElement !== search) search.value = state().q;
      rows.value = state().rows;
      renewed(
        kinds,
        ticks(
          Object.entries(KINDS),
          (kind) => !state().without.includes(kind),
          (kind, on) => change({ without: toggled(state().without, kind, !on) }),
        ),
      );
      renewed(
        columns,
        ticks(
          names.map((name) => [name, name]),
          (name) => !state().hide.includes(name),
          (name, on) => change({ hide: toggled(state().hide, name, !on) }),
        ),
      );
    };
    const element = el(
      "div.toolbar",
      { role: "search" },
      search,
      rows,
      menu("Columns", columns),
      menu(
        "Filters",
        el("p.menu-title", "Rows of kind"),
        kinds,
        el("p.menu-title", "Numbers"),
        limits(board, change, state),
      ),
    );
    return { element, refresh };
  };

  /* An open menu closes when something else is used. */
  document.addEventListener("pointerdown", (event) => {
    for (const open of document.querySelectorAll("details.menu[open]"))
      if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.menu[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
})(PGBENCH);
