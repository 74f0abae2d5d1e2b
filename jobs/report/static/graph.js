"use strict";
/* An explanatory graph: the layered picture of as many nodes as asked for, a node with its patches and ties, the parse of an image. */
const filterscope = { graph: (data) => {
  const root = document.documentElement.dataset.root;
  const panel = document.getElementById("node");
  const name = (i) => `unit ${data.nodes[i].unit} node ${data.nodes[i].node}`;
  const meaning = (node) => node.label ?? (node.landmark ? `${node.landmark}?` : null);
  const called = (i) => meaning(data.nodes[i]) ?? `unit ${data.nodes[i].unit}`;
  const key = (i) => `${data.layers[data.nodes[i].layer].name}/${data.nodes[i].unit}/${data.nodes[i].node}`;
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const css = (variable) => getComputedStyle(document.documentElement).getPropertyValue(`--${variable}`).trim();

  const { element, svg } = dom;
  const slider = document.getElementById("slider");
  let step = data.first;
  let lit = null; // places of what is chosen, null before a choice
  const shown = new Set();
  const LETTERS = 12, LONGEST = 22;

  const picture = cytoscape({
    container: document.getElementById("picture"),
    elements: [
      ...data.layers.map((layer, n) => ({ data: { id: `l${n}`, label: layer.name, font: LETTERS }, classes: "caption" })),
      ...data.nodes.map((node, i) => ({ data: { id: `n${i}`, place: i, label: "", full: `${called(i)}: ${name(i)}`, font: LETTERS, size: 12 + 20 * Math.sqrt(node.share) } })),
      ...data.ties.map(([low, high, weight], i) => ({ data: { id: `t${i}`, source: `n${low}`, target: `n${high}`, width: 1 + 4 * weight } })),
    ],
    layout: { name: "preset", fit: true, padding: 24 },
    autoungrabify: true, boxSelectionEnabled: false, userZoomingEnabled: false, minZoom: 0.1, maxZoom: 4,
  });

  function paint() {
    const colour = (i) => css(data.layers[data.nodes[i].layer].colour);
    picture.style([
      { selector: "node[size]", style: {
        "background-color": (node) => colour(node.data("place")), width: "data(size)", height: "data(size)", label: "data(label)",
        "font-size": "data(font)", color: css("ink"), "text-valign": "bottom", "text-margin-y": 1, "font-family": "sans-serif",
      } },
      { selector: ".caption", style: {
        events: "no", width: 1, height: 1, opacity: 1, "background-opacity": 0, label: "data(label)", "font-size": "data(font)", "font-weight": "bold",
        color: css("soft"), "text-halign": "right", "text-valign": "center", "font-family": "sans-serif",
      } },
      { selector: "edge", style: { "line-color": css("soft"), opacity: 0.35, width: "data(width)", "curve-style": "straight" } },
      { selector: "node.far", style: { opacity: 0.2 } },
      { selector: "edge.far", style: { opacity: 0.06 } },
      { selector: "edge.spare, .out", style: { display: "none" } },
      { selector: "edge.near", style: { display: "element", "line-color": css("link"), opacity: 0.85 } },
      { selector: "node.above", style: { "text-valign": "top", "text-margin-y": -1 } },
      { selector: "node.chosen", style: { "border-width": 4, "border-color": css("ink"), "font-weight": "bold" } },
      { selector: "node.pointed", style: {
        label: "data(full)", opacity: 1, "z-index": 9, "text-background-color": css("paper"), "text-background-opacity": 0.95, "text-background-padding": 3,
      } },
    ]);
  }

  function light(places, edges) {
    lit = places && new Set(places);
    picture.batch(() => {
      picture.elements().removeClass("near far hit chosen");
      if (lit) {
        picture.nodes("[size]").forEach((node) => { node.addClass(lit.has(node.data("place")) ? "hit" : "far"); });
        picture.edges().addClass("far");
        for (const tie of edges) picture.getElementById(`t${tie}`).removeClass("far").addClass("near");
      }
    });
    write();
  }

  /* Names of layers, then of nodes where they have room, below or above: lit ones first, then those that mean something, then by use. */
  const pen = document.createElement("canvas").getContext("2d");
  function write() {
    pen.font = `bold ${LETTERS}px sans-serif`;
    for (const caption of picture.nodes(".caption")) caption.position("y", caption.data("top") - 16 - 18 / picture.zoom());
    const taken = data.layers.map((layer, n) => {
      const { x, y } = picture.getElementById(`l${n}`).renderedPosition();
      return [x, y - LETTERS, x + pen.measureText(layer.name).width + 8, y + LETTERS];
    });
    const meets = ([left, top, right, bottom], [l, t, r, b]) => left < r && l < right && top < b && t < bottom;
    const dots = [...shown].map((i) => {
      const node = picture.getElementById(`n${i}`);
      const { x, y } = node.renderedPosition(), half = node.renderedWidth() / 2;
      return { i, node, x, y, half, box: [x - half, y - half, x + half, y + half] };
    });
    const first = ({ i }) => [lit?.has(i) ? 0 : 1, meaning(data.nodes[i]) ? 0 : 1, data.nodes[i].rank];
    const order = (a, b) => { const one = first(a), two = first(b); return one[0] - two[0] || one[1] - two[1] || one[2] - two[2] || a.i - b.i; };
    picture.batch(() => {
      picture.nodes().data("font", LETTERS / picture.zoom());
      for (const { i, node, x, y, half } of dots.sort(order)) {
        const whole = called(i), text = whole.length > LONGEST ? `${whole.slice(0, LONGEST - 1)}…` : whole;
        const wide = pen.measureText(text).width / 2 + 3, high = LETTERS + 4;
        const places = [[x - wide, y + half, x + wide, y + half + high], [x - wide, y - half - high, x + wide, y - half]];
        const free = lit && !lit.has(i) ? -1 : places.findIndex((box) => !taken.some((other) => meets(box, other)) && !dots.some((dot) => dot.i !== i && meets(box, dot.box)));
        if (free >= 0) taken.push(places[free]);
        node.data("label", free >= 0 ? text : "").toggleClass("above", free === 1);
      }
    });
  }

  function point(i, on) {
    picture.getElementById(`n${i}`).toggleClass("pointed", on);
  }

  const extent = (values) => Math.max(...values, 0) - Math.min(...values, Infinity);

  /* Show the nodes of a step: in the picture, which they fill, in the list and in words. */
  function draw(to) {
    step = Math.min(Math.max(to, 0), data.steps.length - 1);
    const { places, at, ties } = data.steps[step] ?? { places: [], at: [], ties: [] };
    const drawn = new Set(ties), counts = data.layers.map(() => 0);
    const wide = extent(at.map(([x]) => x)), high = extent(at.map(([, y]) => y));
    const taller = high ? Math.min(Math.max((wide * (picture.height() - 110)) / (picture.width() - 60) / high, 1), 5) : 1;
    shown.clear();
    for (const i of places) { shown.add(i); counts[data.nodes[i].layer] += 1; }
    picture.batch(() => {
      picture.nodes("[size]").forEach((node) => { node.toggleClass("out", !shown.has(node.data("place"))); });
      places.forEach((i, n) => picture.getElementById(`n${i}`).position({ x: at[n][0], y: at[n][1] * taller }));
      data.ties.forEach((_, tie) => picture.getElementById(`t${tie}`).toggleClass("spare", !drawn.has(tie)));
      const left = Math.min(...at.map(([x]) => x));
      data.layers.forEach((_, n) => {
        const rows = at.filter((_, k) => data.nodes[places[k]].layer === n).map(([, y]) => y * taller);
        const top = Math.min(...rows, 1e6);
        picture.getElementById(`l${n}`).toggleClass("out", !rows.length).data("top", top).position({ x: left - 16, y: top - 44 });
      });
    });
    for (const button of document.querySelectorAll("[data-node]")) button.parentElement.hidden = !shown.has(Number(button.dataset.node));
    counts.forEach((count, n) => { document.querySelector(`[data-count="${n}"]`).textContent = count; });
    const said = document.getElementById("shown-nodes"), left = document.getElementById("left-nodes");
    said.textContent = places.length.toLocaleString("en");
    left.textContent = (Number(left.dataset.surviving) - places.length).toLocaleString("en");
    if (slider) {
      slider.value = step;
      slider.setAttribute("aria-valuetext", `${places.length} nodes`);
      document.getElementById("slider-said").textContent = `${places.length} of ${Number(left.dataset.surviving).toLocaleString("en")}`;
    }
    picture.fit(picture.nodes(":visible"), 28);
    write();
  }

  function remember(changes) {
    const said = new URLSearchParams(window.location.hash.slice(1));
    for (const [name, value] of Object.entries(changes)) if (value === null) said.delete(name); else said.set(name, value);
    history.replaceState(null, "", said.size ? `#${said}` : window.location.pathname + window.location.search);
  }

  function mark(selector, attribute, value) {
    for (const button of document.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(button.dataset[attribute] === String(value)));
  }

  function tied(title, found, end, more) {
    if (!found.length && !more) return [];
    const items = found.map(([tie, i]) => {
      const button = element("button", { type: "button" }, `${data.layers[data.nodes[i].layer].name} ${name(i)}`);
      button.addEventListener("click", () => choose(i, true));
      const means = meaning(data.nodes[i]);
      return element("li", {}, button, ...(means ? [` ${means}`] : []), element("span", { class: "quiet" }, ` weight ${data.ties[tie][2].toFixed(3)}, together in ${data.ties[tie][3]}`));
    });
    const left = more ? [element("p", { class: "quiet" }, `${more} more ${more === 1 ? "tie leads" : "ties lead"} to ${end} that ${more === 1 ? "is" : "are"} not shown.`)] : [];
    return [element("div", {}, element("h3", {}, title), element("ul", {}, ...items), ...left)];
  }

  function choose(i, focus) {
    const node = data.nodes[i];
    const layer = data.layers[node.layer];
    if (!shown.has(i)) {
      draw(data.steps.findIndex(({ places }) => places.includes(i)));
      remember({ nodes: data.steps[step].places.length });
    }
    const up = [], down = [];
    data.ties.forEach(([low, high], tie) => { if (low === i) up.push([tie, high]); if (high === i) down.push([tie, low]); });
    light([i, ...up.map(([, n]) => n), ...down.map(([, n]) => n)], [...up, ...down].map(([tie]) => tie));
    picture.getElementById(`n${i}`).addClass("chosen");
    mark("[data-node]", "node", i);
    mark("[data-parse]", "parse", "");
    const title = element("h2", { id: "chosen", tabindex: "-1" }, `${layer.name} `);
    title.append(layer.page ? element("a", { href: `${root}${layer.page}/${node.unit}.html` }, `unit ${node.unit}`) : `unit ${node.unit}`, ` node ${node.node}`);
    const fact = (term, value, id) => element("div", {}, element("dt", {}, term), element("dd", { id }, value));
    const facts = element("dl", { class: "facts" },
      fact("triggered by", percent(node.share), "node-share"), fact("learning crops", String(node.images), "node-images"),
      fact("mean row, column", `${node.mu[0].toFixed(1)}, ${node.mu[1].toFixed(1)}`, "node-mu"), fact("deformation", `${node.deformation.toFixed(1)} px`, "node-deformation"),
      ...(node.label ? [fact("the unit detects", node.label, "node-label")] : []),
      ...(node.landmark ? [fact("steadier than its controls about", node.landmark, "node-landmark")] : []));
    const patches = node.patches
      ? [element("img", { class: "patches", src: `${root}${data.folder}/patches-${i}.webp`, width: "576", height: "96", alt: `the ${node.patches} pieces of images on which ${name(i)} scores highest` })]
      : [element("p", { class: "quiet" }, "No patches: the images are not where they were when the graph was learned, or the node scores nowhere.")];
    panel.replaceChildren(title, facts, ...patches, element("div", { class: "ties" },
      ...tied("Tied to upper nodes", up, "upper nodes", node.outside), ...tied("Lower nodes tied to it", down, "lower nodes", 0)));
    remember({ node: key(i) });
    if (focus) title.focus();
  }

  function parsed(k, choosing) {
    const { view, image, hits, pictured, opens } = data.parses[k];
    const [height, width] = data.input;
    const places = new Set(hits.map(([place]) => place));
    const between = [];
    data.ties.forEach(([low, high], tie) => { if (places.has(low) && places.has(high)) between.push(tie); });
    if (choosing) {
      light(places, between);
      mark("[data-node]", "node", "");
      mark("[data-parse]", "parse", k);
    }
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `image ${image} with the ${hits.length} nodes that it triggers` });
    if (pictured) drawing.append(svg("image", { href: `${root}${data.folder}/view-${view}.webp`, width, height }));
    else drawing.append(svg("rect", { class: "input", width, height }));
    for (const [place, y, x] of hits) {
      const dot = svg("circle", { cx: x, cy: y, r: Math.max(width, height) / 60, class: `k-${data.layers[data.nodes[place].layer].colour}` });
      dot.append(svg("title", {}, `${key(place)}`));
      drawing.append(dot);
    }
    const list = element("ul", {}, ...hits.map(([place]) => {
      const button = element("button", { type: "button" }, `${data.layers[data.nodes[place].layer].name} ${name(place)}`);
      button.addEventListener("click", () => choose(place, true));
      return element("li", {}, element("span", { class: `dot k-${data.layers[data.nodes[place].layer].colour}` }), button);
    }));
    const link = { class: "opens", href: `${root}i/${image}.html`, "data-view": view, "data-seen": data.seen };
    document.getElementById("parse").replaceChildren(opens ? element("a", link, drawing) : drawing, list);
  }

  function address() {
    const asked = new URLSearchParams(window.location.hash.slice(1));
    const count = Number(asked.get("nodes")), said = asked.get("node");
    const to = count ? data.steps.findIndex(({ places }) => places.length >= count) : data.first;
    draw(to < 0 ? data.steps.length - 1 : to);
    const found = said ? data.nodes.findIndex((_, i) => key(i) === said) : -1;
    if (found >= 0) choose(found, false);
    else if (said) {
      panel.replaceChildren(element("h2", { id: "chosen" }, said), element("p", { class: "quiet" }, "This node is among those left out: it was merged, does not survive or is less used than those shown."));
    }
  }

  paint();
  picture.on("tap", "node", (event) => choose(event.target.data("place"), false));
  picture.on("tap", (event) => { if (event.target === picture) light(null); });
  picture.on("mouseover", "node", (event) => point(event.target.data("place"), true));
  picture.on("mouseout", "node", (event) => point(event.target.data("place"), false));
  for (const button of document.querySelectorAll("[data-node]")) {
    const i = Number(button.dataset.node);
    button.addEventListener("click", () => choose(i, false));
    for (const event of ["focus", "mouseenter"]) button.addEventListener(event, () => point(i, true));
    for (const event of ["blur", "mouseleave"]) button.addEventListener(event, () => point(i, false));
  }
  for (const button of document.querySelectorAll("[data-parse]")) button.addEventListener("click", () => parsed(Number(button.dataset.parse), true));
  slider?.addEventListener("input", () => {
    draw(Number(slider.value));
    remember({ nodes: step === data.first ? null : data.steps[step].places.length });
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.dataset.zoom);
      if (!factor) picture.fit(picture.nodes(":visible"), 28);
      else picture.zoom({ level: picture.zoom() * factor, renderedPosition: { x: picture.width() / 2, y: picture.height() / 2 } });
      write();
    });
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  window.addEventListener("resize", () => draw(step));
  window.addEventListener("hashchange", address);
  if (data.parses.length) parsed(0, false);
  address();
  filterscope.picture = picture;
} };
