"use strict";
/* The table of a board. */
(function (P) {
  const { el } = P;

  const sortOf = (board, text) => {
    const name = text.replace(/^-/, "");
    const field = P.fields(board).get(name);
    return field ? [{ column: field, dir: text.startsWith("-") ? "desc" : "asc" }] : [];
  };

  /* The rows that are chosen to compare, at most two: a third takes the place of the first. */
  function picked(board, host, place, picks, changed) {
    const label = (name) => board.page.rows[P.rowOf(board, name)].label;
    const told = () => {
      const [a, b] = picks;
      const link = () =>
        el(
          "a",
          { class: "action", href: P.link(["board", board.slug, "compare"], { a, b }) },
          `Compare ${label(a)} with ${label(b)}`,
        );
      const one = () => el("span.soft", `Tick another row to compare with ${label(a)}.`);
      place.replaceChildren(...(b ? [link()] : a ? [one()] : []));
    };
    host.addEventListener("change", (event) => {
      if (!event.target.classList.contains("pick")) return;
      if (event.target.checked) picks.add(event.target.value);
      else picks.delete(event.target.value);
      const gone = picks.size > 2 ? [...picks][0] : null;
      picks.delete(gone);
      for (const box of host.querySelectorAll("input.pick")) box.checked = picks.has(box.value);
      changed([...picks]);
      told();
      if (gone) place.append(el("span.soft", ` ${label(gone)} is no longer chosen.`));
    });
    told();
    host.addEventListener(
      "click",
      (event) => event.target.classList.contains("pick") && event.stopPropagation(),
      true,
    );
  }

  /* Tabulator with what the state says; `apply` shows a changed state, `shown` lists its rows. */
  function grid(board, rows, state, picks, sorted) {
    const host = el("div", { id: "board-table" });
    const narrow = window.innerWidth < 700;
    const fields = P.fields(board);
    const name = (field) => [...fields].find(([, one]) => one === field)?.[0];
    let table = null;
    const visible = () => rows.filter(P.passes(board, state()));
    const hidden = (field) => state().hide.includes(name(field));
    const start = () => {
      table = new Tabulator(host, {
        data: rows,
        layout: "fitData",
        index: "id",
        headerSortTristate: true,
        movableColumns: false,
        maxHeight: rows.length > 40 ? "85vh" : false,
        placeholder: "No row passes the filters.",
        columnDefaults: { resizable: false, headerSortTristate: true, vertAlign: "middle" },
        columns: P.boardColumns(board, rows, picks, narrow).map((column) => ({
          ...column,
          visible: !hidden(column.field),
        })),
        initialSort: sortOf(board, state().sort),
        rowFormatter: (row) => row.getElement().classList.add(`kind-${row.getData().kind}`),
      });
      table.on("tableBuilt", () => {
        host.setAttribute("aria-label", `${board.standings.board.title}: ${rows.length} rows`);
        table.setFilter(P.passes(board, state()));
        table.on("dataSorted", (sorters) => {
          const first = sorters[0];
          sorted(first ? (first.dir === "desc" ? "-" : "") + name(first.field) : "");
        });
      });
    };
    const apply = (part) => {
      if ("hide" in part) {
        for (const [one, field] of fields)
          if (one !== "method")
            table[state().hide.includes(one) ? "hideColumn" : "showColumn"](field);
        table[state().hide.includes("rank") ? "hideColumn" : "showColumn"]("range");
      }
      table.setFilter(P.passes(board, state()));
    };
    return { host, start, apply, visible };
  }

  P.view("board/:slug", async ({ slug }, asked) => {
    const board = await P.board(slug);
    const rows = P.boardRows(board);
    const nIncomplete = rows.filter((row) => !row.complete).length;
    let state = P.stateOf(board, asked);
    const picks = new Set(state.pick.slice(-2));
    const kept = (part) => {
      state = { ...state, ...part };
      P.seen(["board", slug], P.queryOf(board, state));
    };
    const chips = el("ul.chips", { "aria-label": "Active filters" });
    const count = el("p.count");
    const action = el("p.picked", { "aria-live": "polite" });
    const told = () => {
      P.seen(["board", slug], P.queryOf(board, state));
      const at = [...chips.children].findIndex((chip) => chip.contains(document.activeElement));
      chips.replaceChildren(...P.chips(board, state, nIncomplete, change));
      if (at >= 0)
        (chips.children[at] || chips.lastChild || bar.element)
          .querySelector("button, input")
          .focus();
      const text = `${table.visible().length} of ${P.plural(rows.length, "row")}`;
      count.textContent = text;
      P.say(
        text + (state.sort ? `, sorted by ${state.sort.replace(/^-(.*)/, "$1, descending")}` : ""),
      );
    };
    const change = (part) => {
      state = { ...state, ...part };
      bar.refresh();
      table.apply(part);
      told();
      drawings.redraw();
    };
    const table = grid(
      board,
      rows,
      () => state,
      picks,
      (sort) => {
        state = { ...state, sort };
        told();
      },
    );
    const bar = P.toolbar(board, () => state, change);
    const drawings = P.boardPlots(board, table.visible, () => state, kept);
    picked(board, table.host, action, picks, (pick) => kept({ pick }));
    bar.refresh();
    const page = [
      P.heading(board, "", board.standings.board.title, P.boardFacts(board), P.fragility(board)),
      ...board.standings.leaks.map((text) => el("p.warning", { role: "note" }, text)),
      bar.element,
      el("div.filters", chips, count),
      action,
      table.host,
      P.legend(board, rows),
      P.downloads(board),
      drawings.element,
      ...P.boardNotes(board),
    ];
    return {
      title: board.standings.board.title,
      page,
      ready: () => {
        table.start();
        told();
      },
    };
  });
})(PGBENCH);
