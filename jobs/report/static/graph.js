"use strict";
/* An explanatory graph: the layered picture, a node with its patches and ties, the parse of an image. */
const filterscope = { graph: (data) => {
  const root = document.documentElement.dataset.root;
  const panel = document.getElementById("node");
  const name = (i) => `unit ${data.nodes[i].unit} node ${data.nodes[i].node}`;
  const key = (i) => `${data.layers[data.nodes[i].layer].name}/${data.nodes[i].unit}/${data.nodes[i].node}`;
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const css = (variable) => getComputedStyle(document.documentElement).getPropertyValue(`--${variable}`).trim();

  function element(tag, attributes = {}, ...children) {
    const made = tag === "svg" || attributes.svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [attribute, value] of Object.entries(attributes)) if (attribute !== "svg") made.setAttribute(attribute, value);
    made.append(...children);
    return made;
  }

  const picture = cytoscape({
    container: document.getElementById("picture"),
    elements: [
      ...data.nodes.map((node, i) => ({ data: { id: `n${i}`, place: i, label: `${node.unit}/${node.node}`, size: 12 + 20 * Math.sqrt(node.share) }, position: { x: node.x, y: node.y } })),
      ...data.ties.map(([low, high, weight, , drawn], i) => ({ data: { id: `t${i}`, source: `n${low}`, target: `n${high}`, width: 1 + 4 * weight }, classes: drawn ? "" : "spare" })),
    ],
    layout: { name: "preset", fit: true, padding: 24 },
    autoungrabify: true, boxSelectionEnabled: false, userZoomingEnabled: false, minZoom: 0.1, maxZoom: 4,
  });

  function paint() {
    const colour = (i) => css(data.layers[data.nodes[i].layer].colour);
    picture.style([
      { selector: "node", style: {
        "background-color": (node) => colour(node.data("place")), width: "data(size)", height: "data(size)", label: "data(label)",
        "font-size": 11, color: css("soft"), "text-valign": "bottom", "text-margin-y": 3, "min-zoomed-font-size": 7, "font-family": "sans-serif",
      } },
      { selector: "edge", style: { "line-color": css("soft"), opacity: 0.4, width: "data(width)", "curve-style": "straight" } },
      { selector: ".spare", style: { display: "none" } },
      { selector: ".far", style: { opacity: 0.2 } },
      { selector: "edge.near", style: { display: "element", "line-color": css("link"), opacity: 0.85 } },
      { selector: "node.near, node.hit", style: { color: css("ink") } },
      { selector: "node.chosen", style: { "border-width": 4, "border-color": css("ink"), color: css("ink"), "font-weight": "bold" } },
    ]);
  }

  function light(places, edges) {
    picture.batch(() => {
      picture.elements().removeClass("near far hit chosen");
      if (!places) return;
      picture.elements().addClass("far");
      for (const place of places) picture.getElementById(`n${place}`).removeClass("far").addClass("hit");
      for (const tie of edges) picture.getElementById(`t${tie}`).removeClass("far").addClass("near");
    });
  }

  function mark(selector, attribute, value) {
    for (const button of document.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(button.dataset[attribute] === String(value)));
  }

  function tied(title, found, end, more) {
    if (!found.length && !more) return [];
    const items = found.map(([tie, i]) => {
      const button = element("button", { type: "button" }, `${data.layers[data.nodes[i].layer].name} ${name(i)}`);
      button.addEventListener("click", () => choose(i, true));
      return element("li", {}, button, element("span", { class: "quiet" }, ` weight ${data.ties[tie][2].toFixed(3)}, together in ${data.ties[tie][3]}`));
    });
    const left = more ? [element("p", { class: "quiet" }, `${more} more ${more === 1 ? "tie leads" : "ties lead"} to ${end} that ${more === 1 ? "is" : "are"} not shown.`)] : [];
    return [element("div", {}, element("h3", {}, title), element("ul", {}, ...items), ...left)];
  }

  function choose(i, focus) {
    const node = data.nodes[i];
    const layer = data.layers[node.layer];
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
      ...(node.label ? [fact("the unit detects", node.label, "node-label")] : []));
    const patches = node.patches
      ? [element("img", { class: "patches", src: `${root}${data.folder}/patches-${i}.webp`, width: "576", height: "96", alt: `the ${node.patches} pieces of images on which ${name(i)} scores highest` })]
      : [element("p", { class: "quiet" }, "No patches: the images are not where they were when the graph was learned, or the node scores nowhere.")];
    panel.replaceChildren(title, facts, ...patches, element("div", { class: "ties" },
      ...tied("Tied to upper nodes", up, "upper nodes", node.outside), ...tied("Lower nodes tied to it", down, "lower nodes", 0)));
    history.replaceState(null, "", `#node=${encodeURIComponent(key(i))}`);
    if (focus) title.focus();
  }

  function parsed(k) {
    const { view, image, hits, pictured, opens } = data.parses[k];
    const [height, width] = data.input;
    const places = new Set(hits.map(([place]) => place));
    const between = [];
    data.ties.forEach(([low, high], tie) => { if (places.has(low) && places.has(high)) between.push(tie); });
    light(places, between);
    mark("[data-node]", "node", "");
    mark("[data-parse]", "parse", k);
    const drawing = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `image ${image} with the ${hits.length} nodes that it triggers` });
    if (pictured) drawing.append(element("image", { svg: 1, href: `${root}${data.folder}/view-${view}.webp`, width, height }));
    else drawing.append(element("rect", { svg: 1, class: "input", width, height }));
    for (const [place, y, x] of hits) {
      const dot = element("circle", { svg: 1, cx: x, cy: y, r: Math.max(width, height) / 60, class: `k-${data.layers[data.nodes[place].layer].colour}` });
      dot.append(element("title", { svg: 1 }, `${key(place)}`));
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
    const said = new URLSearchParams(window.location.hash.slice(1)).get("node");
    const found = said ? data.nodes.findIndex((_, i) => key(i) === said) : -1;
    if (found >= 0) choose(found, false);
    else if (said) {
      panel.replaceChildren(element("h2", { id: "chosen" }, said), element("p", { class: "quiet" }, "This node is among those left out: it was merged, does not survive or is less used than those shown."));
    }
  }

  paint();
  picture.on("tap", "node", (event) => choose(event.target.data("place"), false));
  picture.on("tap", (event) => { if (event.target === picture) light(null); });
  for (const button of document.querySelectorAll("[data-node]")) button.addEventListener("click", () => choose(Number(button.dataset.node), false));
  for (const button of document.querySelectorAll("[data-parse]")) button.addEventListener("click", () => parsed(Number(button.dataset.parse)));
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.dataset.zoom);
      if (!factor) picture.fit(undefined, 24);
      else picture.zoom({ level: picture.zoom() * factor, renderedPosition: { x: picture.width() / 2, y: picture.height() / 2 } });
    });
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  window.addEventListener("resize", () => picture.fit(undefined, 24));
  window.addEventListener("hashchange", address);
  if (data.parses.length) parsed(0);
  address();
  filterscope.picture = picture;
} };
