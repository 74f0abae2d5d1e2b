"use strict";
/* A menu at the head of each section: its lists as CSV as they are filtered, its charts as SVG, the query that gives them. */
(() => {
  const run = document.documentElement.dataset.run;

  const { element } = dom;

  const file = (...parts) => parts.join(" ").normalize("NFKD").replace(/[^A-Za-z0-9._]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 120) || "filterscope";

  /* A table as it is filtered and sorted: marks beside a name become columns of their own, a dash for what is not known is empty. */
  function tabled(table) {
    const all = [...table.tBodies[0].rows];
    const rows = all.filter((row) => !row.hidden);
    const beside = [["category", ".category"], ["note", ".badge"]];
    const marks = [...table.tHead.rows[0].cells].map((_, n) => beside.filter(([, mark]) => all.some((row) => row.cells[n].querySelector(mark))));
    const text = (node) => node.textContent.replace(/\s+/g, " ").trim();
    const value = (cell) => {
      const bare = cell.cloneNode(true);
      for (const mark of bare.querySelectorAll(".category, .badge")) mark.remove();
      const said = text(bare);
      if (cell.tagName === "TD" && said === "–") return "";
      return cell.tagName === "TD" && /^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(said) ? said.replaceAll(",", "") : said;
    };
    return {
      head: [...table.tHead.rows[0].cells].flatMap((cell, n) => [text(cell), ...marks[n].map(([name]) => name)]),
      rows: rows.map((row) => [...row.cells].flatMap((cell, n) => [value(cell), ...marks[n].map(([, mark]) => [...cell.querySelectorAll(mark)].map(text).join(" "))])),
    };
  }

  /* A list whose items hold their values, in the columns that it names. */
  const itemised = (list) => ({ head: JSON.parse(list.dataset.columns), rows: [...list.children].map((item) => JSON.parse(item.dataset.row)) });

  const literal = (text) => `'${text.replaceAll("'", "''")}'`;
  function sqlOf(source) {
    const search = source.id && document.querySelector(`input[data-filters="${source.id}"]`);
    const text = search ? search.value.trim().toLowerCase() : "";
    return text && source.dataset.search ? `select * from (${source.dataset.sql}) as listed where strpos(lower(${source.dataset.search}), ${literal(text)}) > 0` : source.dataset.sql;
  }

  /* A word for a shell: nothing in it is expanded or executed, and control characters, which a terminal acts on, are refused. */
  function word(text) {
    if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) return null;
    if (/^[\w@%+=:,./-]+$/.test(text)) return text;
    return /[$`\\"!]/.test(text) ? `'${text.replaceAll("'", "'\\''")}'` : `"${text}"`;
  }
  function command(sql) {
    const words = [run, sql].map(word);
    return words.includes(null) ? null : `filterscope query ${words.join(" ")}`;
  }

  /* A chart as a file that needs no other: styles as they are computed here, the page's colour behind it, its title above. */
  const INHERITED = { fill: "rgb(0, 0, 0)", "fill-opacity": "1", "fill-rule": "nonzero", stroke: "none", "stroke-width": "1px", "stroke-opacity": "1", "stroke-dasharray": "none", "stroke-linejoin": "miter", "font-family": "", "font-size": "", "font-weight": "400", "font-variant-numeric": "normal", "text-anchor": "start" };
  const OWN = { opacity: "1", "vector-effect": "none" };
  function inline(from, to, above) {
    const style = getComputedStyle(from);
    const now = {};
    const said = [];
    for (const [name, initial] of Object.entries(INHERITED)) {
      now[name] = style.getPropertyValue(name);
      if (now[name] !== (above ? above[name] : initial)) said.push(`${name}:${now[name]}`);
    }
    for (const [name, initial] of Object.entries(OWN)) if (style.getPropertyValue(name) !== initial) said.push(`${name}:${style.getPropertyValue(name)}`);
    const children = [...from.children].map((child, n) => [child, to.children[n]]);
    for (const name of [...to.getAttributeNames()]) if (/^(class|style|role|href|aria-|data-)/.test(name)) to.removeAttribute(name);
    if (said.length && from.tagName !== "title") to.setAttribute("style", said.join(";"));
    for (const [child, made] of children) inline(child, made, now);
    if (from.matches(".hit")) to.remove();
    if (from.tagName === "a") {
      const group = document.createElementNS(SVG, "g");
      for (const name of to.getAttributeNames()) group.setAttribute(name, to.getAttribute(name));
      group.append(...to.childNodes);
      to.replaceWith(group);
    }
  }
  const SVG = "http://www.w3.org/2000/svg";
  function wrapped(text, most) {
    const lines = [""];
    for (const part of text.split(" ")) {
      const longer = `${lines.at(-1)} ${part}`.trim();
      if (longer.length <= most || !lines.at(-1)) lines[lines.length - 1] = longer;
      else lines.push(part);
    }
    return lines;
  }
  function standalone(svg, title) {
    const copy = svg.cloneNode(true);
    inline(svg, copy, null);
    const [x, y, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const lines = wrapped(title, Math.floor((width - 10) / 7.5));
    const top = y - 18 * lines.length - 14;
    const box = [x - 10, top, width + 20, height + y - top + 8];
    const add = (tag, attributes, text = "") => {
      const made = document.createElementNS(SVG, tag);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.append(text);
      return made;
    };
    const page = getComputedStyle(document.body);
    const ground = add("rect", { x: box[0], y: box[1], width: box[2], height: box[3], fill: page.backgroundColor, stroke: "none" });
    const heading = lines.map((line, n) => add("text", { x, y: top + 18 * (n + 1), style: `fill:${page.color};font-size:13px;font-weight:600` }, line));
    copy.prepend(add("title", {}, title), add("desc", {}, svg.getAttribute("aria-label") || ""), ground, ...heading);
    for (const [key, value] of Object.entries({ viewBox: box.join(" "), width: box[2], height: box[3], xmlns: SVG })) copy.setAttribute(key, value);
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
  }

  function menu(section, heading) {
    const inside = (selector) => [...section.querySelectorAll(selector)].filter((found) => found.closest("section") === section);
    const state = element("p", { role: "status" });
    const shown = element("code", { tabindex: "0", hidden: "" });
    const buttons = [];
    const offer = (label, act) => {
      const button = element("button", { type: "button" }, label);
      button.addEventListener("click", () => act(button));
      buttons.push(button);
    };
    const several = (found) => (found.length > 1 ? (name) => `: ${name}` : () => "");
    const charts = inside("svg[data-chart]");
    const tables = inside("table");
    const lists = inside("ol[data-columns], ol[data-listed]");
    const chart = several(charts);
    const named = (svg) => svg.dataset.chart.slice(svg.dataset.chart.lastIndexOf(": ") + 1).trim();
    for (const svg of charts) offer(`Chart as SVG${chart(named(svg))}`, () => files.save(`${file(svg.dataset.chart)}.svg`, "image/svg+xml", standalone(svg, `${svg.dataset.chart} · ${document.title}`)));
    const name = (source) => source.closest("details")?.querySelector("summary").textContent.trim() || source.dataset.name || heading;
    const source = several([...tables, ...lists]);
    const content = (found) => (found.tagName === "TABLE" ? tabled(found) : found.listed ? found.listed() : itemised(found));
    for (const found of [...tables, ...lists]) {
      const kind = found.tagName === "TABLE" ? "Table" : "List";
      offer(`${kind} as CSV${source(name(found))}`, () => {
        const list = content(found);
        files.save(`${file(document.title, name(found))}.csv`, "text/csv;charset=utf-8", files.csv([list.head, ...list.rows]));
        state.textContent = `${list.rows.length.toLocaleString("en")} rows`;
      });
      if (!run || !(found.dataset.sql || found.listed)) continue;
      const of = found.dataset.table ? ` of the table ${found.dataset.table}` : source(name(found));
      offer(`Copy query${of}`, async () => {
        const text = command(found.listed ? found.listed().sql : sqlOf(found));
        shown.hidden = text === null;
        shown.textContent = text ?? "";
        if (text === null) { state.textContent = "A name here holds control characters, which no terminal should be given."; return; }
        try {
          await navigator.clipboard.writeText(text);
          state.textContent = "Copied:";
        } catch {
          window.getSelection().selectAllChildren(shown);
          state.textContent = document.execCommand("copy") ? "Copied:" : "Select and copy:";
        }
      });
    }
    if (!buttons.length) return;
    const made = element("details", { class: "get" }, element("summary", {}, "Download", element("span", { class: "unseen" }, `: ${heading}`)), element("div", {}, ...buttons, state, shown));
    section.querySelector("h2").after(made);
  }

  for (const section of document.querySelectorAll("main section")) {
    const heading = section.querySelector(":scope > h2");
    if (heading) menu(section, heading.textContent.replace(/\s+/g, " ").trim());
  }
  const open = () => document.querySelectorAll("details.get[open]");
  document.addEventListener("click", (event) => { for (const found of open()) if (!found.contains(event.target)) found.open = false; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const found of open()) { found.open = false; found.querySelector("summary").focus(); }
  });
})();
