"use strict";
/* The units of a layer: filtered, sorted and shown 40 at a time; what is shown stands in the address. */
filterscope.layer = (data) => {
  const PAGE = 40;
  const root = document.documentElement.dataset.root;
  const form = document.getElementById("controls");
  const rows = document.getElementById("rows");
  const says = JSON.parse(form.dataset.says);
  const field = (name) => form.elements.namedItem(name);
  const NAMES = ["search", "category", "concept", "verdict", "least", "sort"];
  const FILTERS = NAMES.slice(0, -1);
  const DEFAULTS = { sort: "standing" };
  const ASCENDING = new Set(["standing", "q_value", "unit", "concept", "instability"]);
  const NO_LABEL = data.standings.length - 1;
  const name = (i) => (data.concept[i] < 0 ? "" : data.concepts[data.concept[i]]);
  const rests = (i) => data.effective_groups[i] ?? data.effective_images[i];  // groups are images where the data set states none
  let page = 0;

  const { element } = dom;

  function choices(select, values) {
    for (const value of values) select.append(element("option", { value }, value));
  }

  function chosen() {
    const search = field("search").value.trim().toLowerCase();
    const [category, concept, least] = [field("category").value, field("concept").value, Number(field("least").value) || 0];
    const verdict = field("verdict").value;
    const worth = data.standings.indexOf(verdict);
    const found = [];
    for (let i = 0; i < data.unit.length; i += 1) {
      const labelled = data.standing[i] !== NO_LABEL;
      if (verdict === "labelled" ? !labelled : worth >= 0 && data.standing[i] !== worth) continue;
      const named = labelled || worth === NO_LABEL ? data.concept[i] : -1;  // the nearest concept of a unit is no label
      if (category && (named < 0 || data.categories[named] !== category)) continue;
      if (concept && (named < 0 || data.concepts[named] !== concept)) continue;
      if (data.iou[i] < least) continue;
      if (search && String(data.unit[i]) !== search && !(named >= 0 && name(i).toLowerCase().includes(search))) continue;
      found.push(i);
    }
    return found;
  }

  function sorted(found) {
    const key = field("sort").value;
    const sign = ASCENDING.has(key) === field("reverse").checked ? -1 : 1;
    const value = key === "concept" ? (i) => name(i) || null : key === "effective_images" ? rests : (i) => data[key][i];
    return found.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      const order = typeof x === "string" ? x.localeCompare(y) : x - y;
      return order ? sign * order : data.iou[b] - data.iou[a] || a - b;
    });
  }

  function number(label, value, digits) {
    return value === null ? [] : [element("span", { class: "term", title: says[label] }, `${label} ${value.toFixed(digits)}`)];
  }

  function row(i) {
    const unit = data.unit[i];
    const c = data.concept[i];
    const who = element("div", { class: "who" }, element("a", { class: "unit", href: `${unit}.html` }, "unit ", element("b", {}, String(unit))));
    if (data.status[i] !== "live") who.append(element("span", { class: "none" }, data.status[i]));
    else if (c < 0) who.append(element("span", { class: "none" }, "no concept"));
    else {
      if (data.standing[i] === NO_LABEL) who.append(element("span", { class: "none" }, "no label, nearest"));
      who.append(element("a", { class: "label", href: root + data.pages[c] }, data.concepts[c]));
      who.append(element("span", { class: `category ${data.kinds[c]}` }, data.categories[c]));
    }
    const badges = element("span", { class: "badges" });
    const worth = data.standings[data.standing[i]];
    if (data.standing[i] !== NO_LABEL) badges.append(element("span", { class: `badge v-${worth.replace(" ", "-")}` }, worth));
    if (badges.childElementCount) who.append(badges);
    const more = [
      ...number("q", data.q_value[i], 3), ...number("expected", data.expected_iou[i], 4),
      ...number("images", rests(i), 1), ...number("instability", data.instability[i], 3),
    ];
    if (more.length) who.append(element("span", { class: "more" }, ...more.flatMap((part, n) => (n ? [" · ", part] : [part]))));
    const filled = element("span");
    filled.style.width = `${Math.min(100, (100 * data.iou[i]) / largest).toFixed(1)}%`;
    const score = element("div", { class: "score" }, element("b", { class: "term", title: says.IoU }, data.iou[i].toFixed(4)), element("span", { class: `gauge ${c < 0 ? "" : data.kinds[c]}`, title: `IoU; a full bar is ${largest.toFixed(4)}, the highest of this layer` }, filled));
    const made = element("li", { class: "row", "data-unit": String(unit) }, who, score);
    if (data.images) {
      const start = String(Math.floor(unit / data.block) * data.block).padStart(6, "0");
      const strip = element("div", {
        class: "strip", role: "group", "aria-label": `strongest images of unit ${unit}`,
        "data-strips": `${data.folder}/strips-${start}.js`, "data-unit": String(unit), ...(c < 0 ? {} : { "data-concept": data.concepts[c] }),
      });
      made.append(strip);
      filterscope.watch(strip);
    }
    return made;
  }

  function pager(count) {
    const nav = document.getElementById("pager");
    const pages = Math.max(1, Math.ceil(count / PAGE));
    const turn = (label, to) => {
      const button = element("button", { type: "button" }, label);
      button.disabled = to < 0 || to >= pages;
      button.addEventListener("click", () => { page = to; show(); document.getElementById("list").scrollIntoView(); });
      return button;
    };
    nav.replaceChildren(...(pages > 1 ? [turn("previous", page - 1), `${page + 1} of ${pages}`, turn("next", page + 1)] : []));
  }

  function state() {
    const said = new URLSearchParams();
    for (const key of NAMES) if (field(key).value && field(key).value !== (DEFAULTS[key] || "")) said.set(key, field(key).value);
    if (field("reverse").checked) said.set("reverse", "1");
    if (page) said.set("page", String(page + 1));
    return said.toString();
  }

  function read() {
    const said = new URLSearchParams(window.location.hash.slice(1));
    for (const key of NAMES) {
      const value = said.get(key) || DEFAULTS[key] || "";
      field(key).value = value;
      // a link from another page may ask for what no unit here has: it gets an empty list, not all units
      if (value && key !== "sort" && field(key).value !== value && field(key).options) { choices(field(key), [value]); field(key).value = value; }
    }
    field("reverse").checked = said.get("reverse") === "1";
    page = Math.max(0, (Number(said.get("page")) || 1) - 1);
  }

  function show() {
    const found = sorted(chosen());
    page = Math.min(page, Math.max(0, Math.ceil(found.length / PAGE) - 1));
    rows.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(row));
    rows.dataset.total = String(found.length);
    const all = data.unit.length;
    document.getElementById("count").textContent = found.length === all ? `${all.toLocaleString("en")} units`
      : found.length ? `${found.length.toLocaleString("en")} of ${all.toLocaleString("en")} units` : `0 matches among ${all.toLocaleString("en")} units`;
    document.getElementById("clear").hidden = !FILTERS.some((key) => field(key).value);
    pager(found.length);
    const hash = state();
    if (hash !== window.location.hash.slice(1)) window.history.replaceState(null, "", hash ? `#${hash}` : window.location.pathname.split("/").pop());
  }

  /* The list as it is filtered and sorted, for download.js: its rows, and the SQL that gives them. */
  const COLUMNS = ["unit", "status", "concept", "category", "detector", "standing", "iou", "runner_up", "runner_up_iou", "q_value", "expected_iou", "iou_heldout", "effective_groups", "effective_images", "lift", "instability", "association"];
  const cell = (i, key) => {
    if (key === "standing") return data.standings[data.standing[i]];
    if (key === "category") return data.concept[i] < 0 ? null : data.categories[data.concept[i]];
    if (key === "concept" || key === "runner_up") return data[key][i] < 0 ? null : data.concepts[data[key][i]];
    return data[key][i];
  };
  function sql() {
    const text = (value) => `'${value.replaceAll("'", "''")}'`;
    const said = Object.fromEntries(NAMES.map((key) => [key, field(key).value]));
    const search = said.search.trim().toLowerCase();
    const none = data.standings[NO_LABEL];
    const verdict = data.standings.includes(said.verdict) ? said.verdict : "";
    const labelled = verdict ? "" : `u.standing <> ${text(none)}`;
    const conditions = [
      ...(verdict ? [`u.standing = ${text(verdict)}`] : said.verdict || said.category || said.concept ? [labelled] : []),
      ...(said.category ? [`u.category = ${text(said.category)}`] : []),
      ...(said.concept ? [`u.concept = ${text(said.concept)}`] : []),
      ...(Number(said.least) > 0 ? [`u.iou >= ${Number(said.least)}`] : []),
      ...(search ? [`(${labelled ? `${labelled} and ` : ""}strpos(lower(u.concept), ${text(search)}) > 0${/^(0|[1-9]\d{0,8})$/.test(search) ? ` or u.unit = ${search}` : ""})`] : []),
    ];
    const columns = { effective_images: "coalesce(u.effective_groups, c.effective_images)", lift: "c.lift", instability: "l.instability" };
    const way = ASCENDING.has(said.sort) === field("reverse").checked ? "desc" : "asc";
    const order = [`${columns[said.sort] || `u.${said.sort}`} ${way} nulls last`, ...(said.sort === "iou" ? [] : ["u.iou desc"]), ...(said.sort === "unit" ? [] : ["u.unit"])];
    return `${[data.sql, ...conditions].join(" and ")} order by ${order.join(", ")}`;
  }
  rows.listed = () => {
    const found = sorted(chosen());
    return { head: COLUMNS, rows: found.map((i) => COLUMNS.map((key) => cell(i, key))), sql: sql() };
  };

  const largest = data.iou.reduce((a, b) => Math.max(a, b), 1e-9);
  const labels = [...new Set(data.concept)].filter((c) => c >= 0);
  choices(field("category"), [...new Set(labels.map((c) => data.categories[c]))].sort());
  choices(field("concept"), labels.map((c) => data.concepts[c]).sort((a, b) => a.localeCompare(b)));
  form.hidden = false;
  document.getElementById("clear").addEventListener("click", () => {
    for (const key of FILTERS) field(key).value = "";
    page = 0;
    show();
    field("search").focus(); // the button is gone
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { page = 0; show(); });
  window.addEventListener("hashchange", () => { read(); show(); document.getElementById("list").scrollIntoView(); });
  read();
  show();
};
