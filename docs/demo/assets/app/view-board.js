"use strict";
/* The table of a board. */
(function (P) {
  const { el } = P;

  const sortOf = (board, text) => {
    const name = text.replace(/^-/, "");
    const field = P.fields(board).get(name);
    return field ? [{ column: field, dir: text.startsWith("-") ? "desc" : "asc" }] : [];
  };

  /* The two chosen rows, when there are two. */
  function picked(board, host, place) {
    const chosen = new Set();
    host.addEventListener("change", (event) => {
      if (!event.target.classList.contains("pick")) return;
      if (event.target.checked) chosen.add(event.target.value);
      else chosen.delete(event.target.value);
      const [a, b] = [...chosen].slice(-2);
      place.replaceChildren(
        ...(b === undefined
          ? []
          : [
              el(
                "a",
                { class: "action", href: P.link(["board", board.slug, "compare"], { a, b }) },
                `Compare ${a} with ${b}`,
              ),
            ]),
      );
    });
    host.addEventListener(
      "click",
      (event) => event.target.classList.contains("pick") && event.stopPropagation(),
      true,
    );
  }

  /* Tabulator with what the state says; `apply` shows a changed state, `shown` lists its rows. */
  function grid(board, rows, state, sorted) {
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
        columns: P.boardColumns(board, rows, narrow).map((column) => ({
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
    const chips = el("ul.chips", { "aria-label": "Active filters" });
    const count = el("p.count");
    const action = el("p.picked", { "aria-live": "polite" });
    const told = () => {
      P.seen(["board", slug], P.queryOf(board, state));
      chips.replaceChildren(...P.chips(board, state, nIncomplete, change));
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
      (sort) => {
        state = { ...state, sort };
        told();
      },
    );
    const bar = P.toolbar(board, () => state, change);
    const drawings = P.boardPlots(board, table.visible);
    picked(board, table.host, action);
    bar.refresh();
    const page = [
      P.heading(
        board,
        "",
        board.standings.board.title,
        P.boardFacts(board),
        P.fragility(board.page),
      ),
      ...board.standings.leaks.map((text) => el("p.warning", { role: "note" }, text)),
      bar.element,
      el("div.filters", chips, count),
      action,
      table.host,
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
