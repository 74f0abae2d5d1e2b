"use strict";
/* The search box and the menu of layers in the header. What they look through is loaded when one of them is first used. */
const finder = (() => {
  const root = document.documentElement.dataset.root;
  const SHOWN = 6; // results of a group
  const FILTERED = 12; // layers above which the menu has a field that filters them
  const LISTED = 300;
  const asked = new Map();
  const waiting = new Map();

  const { element } = dom;

  /* Files of the site are scripts that call told(file, data): a page that was opened from disk may read no others. */
  function load(name) {
    const file = `search/${name}.js`;
    if (!asked.has(file)) {
      asked.set(file, new Promise((done, failed) => {
        waiting.set(file, done);
        const script = element("script", { src: root + file });
        script.addEventListener("error", () => { asked.delete(file); failed(new Error(`${file} is missing`)); });
        document.head.append(script);
      }));
    }
    return asked.get(file);
  }

  const page = (...parts) => root + parts.map((part) => encodeURIComponent(part)).join("/");
  const modelOf = (names, [model]) => names.models[model];
  const unitPage = (names, layer, unit) => page("m", modelOf(names, layer), layer[1], `${unit}.html`);
  const titled = (names, layer) => (names.models.length > 1 ? `${modelOf(names, layer)} ${layer[1]}` : layer[1]);
  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  /* How well a name answers words: 0 the name itself, then what starts with them, holds them as words, holds them; else null. */
  function rank(name, words, more = "") {
    const [text, wanted] = [name.toLowerCase(), words.join(" ")];
    if (!words.every((word) => text.includes(word) || more.includes(word))) return null;
    if (text === wanted) return 0;
    if (text.startsWith(wanted)) return 1;
    return text.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(words[0])) ? 2 : 3;
  }

  /* Items that answer the words, the best first; among equals in the order given. */
  function matching(items, words, name, more = () => "") {
    const found = items.map((item, at) => ({ item, at, rank: rank(name(item), words, more(item)) }));
    return found.filter((one) => one.rank !== null).sort((a, b) => a.rank - b.rank || a.at - b.at);
  }

  function concepts(names, words) {
    const found = matching(names.concepts, words, (c) => c[0], (c) => c[1].toLowerCase());
    return found.sort((a, b) => a.rank - b.rank || b.item[5] - a.item[5] || b.item[4] - a.item[4] || a.at - b.at);
  }

  /* Units labelled with the concepts that answer best: their files hold the best units of each. */
  async function labelled(names, found) {
    const some = found.filter(({ item }) => item[4]).slice(0, 3);
    const files = await Promise.all(some.map(({ at }) => load(`units-${Math.floor(at / names.block)}`)));
    return some.flatMap(({ item, at }, n) => files[n][at % names.block].map(([layer, unit, standing, iou]) => ({
      name: `${titled(names, names.layers[layer])} unit ${unit}`,
      href: unitPage(names, names.layers[layer], unit),
      more: `${item[0]} · ${names.standings[standing]} · IoU ${iou.toFixed(4)}`,
    })));
  }

  /* Units of a number, in layers that answer the words before it: those of the page's own layer first, then the deepest. */
  function numbered(names, words) {
    const last = words.at(-1);
    if (!/^\d{1,7}$/.test(last)) return [];
    const unit = Number(last);
    const { model, layer: own } = menu?.dataset || {};
    const others = words.slice(0, -1).filter((word) => word !== "unit");
    const found = matching([...names.layers].reverse(), others, (l) => `${modelOf(names, l)} ${l[1]}`);
    const here = ({ item }) => Number(modelOf(names, item) === model) + Number(modelOf(names, item) === model && item[1] === own);
    return found.filter(({ item }) => unit < item[2]).sort((a, b) => here(b) - here(a)).map(({ item }) => ({
      name: `${titled(names, item)} unit ${unit}`, href: unitPage(names, item, unit), more: "",
    }));
  }

  async function images(names, words) {
    const files = await Promise.all(Array.from({ length: names.images }, (_, n) => load(`images-${n}`)));
    const number = words.length === 1 || words[0] === "image" ? words.at(-1) : "";
    const all = files.flat();
    const exact = all.filter(([image]) => String(image) === number);
    const found = matching(all, words, ([, name]) => name).map(({ item }) => item);
    return [...new Set([...exact, ...found])].map(([image, name]) => ({
      name: `image ${image}`, href: page("i", `${image}.html`), more: name,
    }));
  }

  async function search(text) {
    const names = await load("names");
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const found = concepts(names, words);
    const deepest = [...names.layers].reverse();
    return [
      ["Concepts", found.map(({ item }) => ({
        name: item[0], href: page("c", `${item[3]}.html`), kind: item[2],
        more: `${item[1]} · ${plural(item[4], "unit")}${item[5] ? `, ${item[5].toLocaleString("en")} ${names.standings[0]}` : ""}`,
      }))],
      ["Units", [...numbered(names, words), ...await labelled(names, found)]],
      ["Layers", matching(deepest, words, (l) => l[1], (l) => modelOf(names, l).toLowerCase()).map(({ item }) => ({
        name: titled(names, item), href: page("m", modelOf(names, item), item[1], "index.html"), more: plural(item[2], "unit"),
      }))],
      ["Graphs", matching(names.graphs, words, (g) => g[1]).map(({ item }) => ({
        name: item[1], href: page("g", modelOf(names, item), `${item[2]}.html`), more: modelOf(names, item),
      }))],
      ["Images", await images(names, words)],
    ].filter(([, items]) => items.length);
  }

  const box = document.querySelector(".find");
  const input = box?.querySelector("input");
  const panel = box?.querySelector(".found");
  const list = box?.querySelector("[role=listbox]");
  const status = box?.querySelector("[role=status]");
  const options = () => [...list.querySelectorAll("[role=option]")];
  let latest = 0;

  function activate(option) {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (!option) { input.removeAttribute("aria-activedescendant"); return; }
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function close() {
    latest += 1;
    panel.hidden = true;
    input.setAttribute("aria-expanded", "false");
    activate(null);
  }

  function draw(groups, text) {
    const count = groups.reduce((sum, [, items]) => sum + items.length, 0);
    status.textContent = count ? plural(count, "match").replace("matchs", "matches") : `0 matches for “${text}”`;
    let number = 0;
    list.replaceChildren(...groups.map(([title, items], n) => element(
      "div", { role: "group", "aria-labelledby": `found-${n}` },
      element("p", { role: "presentation", id: `found-${n}` }, title, items.length > SHOWN ? ` ${SHOWN} of ${items.length.toLocaleString("en")}` : ""),
      ...items.slice(0, SHOWN).map((item) => element(
        "a", { role: "option", id: `option-${number++}`, href: item.href, tabindex: "-1", "aria-selected": "false" },
        element("span", { class: item.kind ? `category ${item.kind}` : "" }, item.name), " ", element("span", { class: "quiet" }, item.more),
      )),
    )));
    panel.hidden = false;
    list.hidden = !count;
    input.setAttribute("aria-expanded", String(count > 0));
    input.removeAttribute("aria-activedescendant");
  }

  async function ask() {
    const [turn, text] = [++latest, input.value.trim()];
    if (!text) { close(); return; }
    try {
      const groups = await search(text);
      if (turn === latest) draw(groups, text);
    } catch (error) {
      if (turn === latest) { draw([], text); status.textContent = `Nothing can be searched: ${error.message}. Write the report again.`; }
    }
  }

  function key(event) {
    const [all, at] = [options(), options().findIndex((option) => option.getAttribute("aria-selected") === "true")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && panel.hidden) ask();
    else if (step && all.length) activate(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length]);
    else if (event.key === "Enter" && !panel.hidden && all.length) all[Math.max(at, 0)].click();
    else if (event.key === "Escape" && !panel.hidden) close();
    else return;
    event.preventDefault();
  }

  if (box) {
    box.hidden = false;
    input.addEventListener("focus", () => load("names").catch(() => {}));
    input.addEventListener("input", ask);
    input.addEventListener("keydown", key);
    box.addEventListener("focusout", (event) => { if (!box.contains(event.relatedTarget)) close(); });
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
    list.addEventListener("click", () => close());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog[open]")) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
  }

  const menu = document.querySelector(".menu");

  /* The page of a layer that is of the kind of this page: the unit of the same number, the list filtered alike, or the list. */
  function alike(names, layer) {
    const { unit, concept } = menu.dataset;
    if (unit) return unitPage(names, layer, Math.min(Number(unit), layer[2] - 1));
    const filters = new URLSearchParams(menu.dataset.layer ? window.location.hash.slice(1) : "");
    filters.delete("page");
    if (concept) filters.set("concept", concept);
    return page("m", modelOf(names, layer), layer[1], "index.html") + (filters.size ? `#${filters}` : "");
  }

  /* Where each model's name leads: to its graph of this category, or its layer of this name, else its deepest one. */
  function ofModel(names, model, layers) {
    const { category, layer } = menu.dataset;
    const graph = category && names.graphs.find((found) => found[0] === model && found[1] === category);
    if (graph) return page("g", names.models[model], `${graph[2]}.html`);
    return alike(names, layers.find((found) => found[1] === layer) || layers[0]);
  }

  function listed(names, text) {
    const { model: own, layer: here, category } = menu.dataset;
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const order = names.models.map((_, n) => n).sort((a, b) => (names.models[b] === own) - (names.models[a] === own) || a - b);
    const made = [];
    for (const model of order) {
      const name = names.models[model];
      const layers = names.layers.filter((layer) => layer[0] === model).reverse();
      const shown = layers.filter((layer) => rank(`${name} ${layer[1]}`, words) !== null);
      if (!shown.length || made.length >= LISTED) continue;
      const isOwn = name === own;
      const title = element("a", { href: ofModel(names, model, layers) }, name);
      if (isOwn && category) title.setAttribute("aria-current", "page");
      const items = (own && !isOwn && !words.length ? [] : shown).map((layer) => {
        const link = element("a", { href: alike(names, layer) }, layer[1], " ", element("span", { class: "quiet" }, plural(layer[2], "unit")));
        if (isOwn && layer[1] === here) link.setAttribute("aria-current", "page");
        return element("li", {}, link);
      });
      made.push(element("li", {}, title, element("ul", {}, ...items)));
    }
    return made.length ? made : [element("li", { class: "quiet" }, "0 matches")];
  }

  async function open() {
    const place = menu.querySelector("ul");
    const names = await load("names").catch(() => null);
    if (!names) { place.replaceChildren(element("li", {}, "The list of layers is missing. Write the report again.")); return; }
    place.replaceChildren(...listed(names, ""));
    if (names.layers.length <= FILTERED || menu.querySelector("input")) return;
    const filter = element("input", { type: "search", "aria-label": "Filter models and layers", placeholder: "model or layer" });
    filter.addEventListener("input", () => place.replaceChildren(...listed(names, filter.value)));
    place.before(filter);
    filter.focus();
  }

  if (menu) {
    menu.hidden = false;
    menu.addEventListener("toggle", () => { if (menu.open) open(); });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
    menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  }

  return {
    /* A file of the index calls this. */
    told(file, data) { waiting.get(file)?.(data); },
  };
})();
