"use strict";
/* Tables whose columns sort at a click, and fields that filter their rows. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replaceAll(",", ""));
    return text === "" || text === "–" ? null : Number.isNaN(number) ? text : number;
  };
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const numeric = [...body.rows].some((row) => typeof value(row, column) === "number");
      const before = header.getAttribute("aria-sort");
      const ascending = before ? before === "descending" : !numeric;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const ordered = [...body.rows].map((row) => [value(row, column), row]).sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return ascending ? order : -order;
      });
      body.append(...ordered.map(([, row]) => row));
    });
  });
}
/* What a field filters by stands in the address, as `#search=TEXT`; below it, how many rows match. */
for (const input of document.querySelectorAll("input[data-filters]")) {
  const rows = [...document.getElementById(input.dataset.filters).tBodies[0].rows];
  const [said, clear] = [document.createElement("span"), document.createElement("button")];
  said.setAttribute("role", "status");
  Object.assign(clear, { type: "button", className: "clear", textContent: "clear filters", hidden: true });
  const line = document.createElement("p");
  line.className = "quiet";
  line.append(said, " ", clear);
  input.closest(".controls").after(line);
  const filter = () => {
    const text = input.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(text);
    const found = rows.filter((row) => !row.hidden).length;
    said.textContent = !text ? `${rows.length.toLocaleString("en")} rows` : found ? `${found.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows` : `0 matches among ${rows.length.toLocaleString("en")} rows`;
    clear.hidden = !text;
  };
  const read = () => { input.value = new URLSearchParams(window.location.hash.slice(1)).get("search") || ""; filter(); };
  input.addEventListener("input", () => {
    filter();
    window.history.replaceState(null, "", input.value ? `#${new URLSearchParams({ search: input.value })}` : window.location.pathname);
  });
  clear.addEventListener("click", () => { input.value = ""; input.dispatchEvent(new Event("input")); input.focus(); });
  window.addEventListener("hashchange", read);
  read();
}
