"use strict";
/* A picture opens large: the whole image, the region above T, an annotation, the activation map; then the next one of its list.
   Scripts of data call `image`, `maps` and `grid` of what stands here. */
const pictures = (() => {
  const root = document.documentElement.dataset.root;
  const held = new Map();
  const waiting = new Map();

  const { element, svg } = dom;

  /* A page that is read from disk may not fetch; a script it may load. */
  function load(address, then) {
    if (held.has(address)) { then(held.get(address)); return; }
    if (waiting.has(address)) { waiting.get(address).push(then); return; }
    waiting.set(address, [then]);
    document.head.append(element("script", { src: root + address }));
  }

  function arrived(address, data) {
    held.set(address, data);
    for (const then of waiting.get(address) || []) then(data);
    waiting.delete(address);
  }

  /* The activation map of a view, upsampled as the audit upsamples it, as the address of a picture of 160 x 160. */
  const STOPS = [[0, 0, 4, 0], [40, 11, 84, 90], [137, 34, 106, 150], [203, 65, 73, 190], [246, 140, 36, 215], [252, 230, 120, 235]];
  function colour(part) {
    const at = Math.min(Math.max(part, 0), 1) * (STOPS.length - 1);
    const low = Math.min(Math.floor(at), STOPS.length - 2);
    return STOPS[low].map((value, n) => value + (at - low) * (STOPS[low + 1][n] - value));
  }

  function axis([first, apart], count, size) {
    return Array.from({ length: size }, (_, n) => {
      const at = Math.min(Math.max(((n + 0.5) / size - first) / apart, 0), count - 1);
      const low = Math.min(Math.floor(at), Math.max(count - 2, 0));
      return [low, Math.min(low + 1, count - 1), at - low];
    });
  }

  function values(maps, unit, view) {
    const found = maps.units[unit - maps.first];
    const place = found ? found[3].indexOf(view) : -1;
    if (place < 0) return null;
    const [rows, columns] = maps.shape;
    const bytes = Uint8Array.from(atob(found[4]), (character) => character.charCodeAt(0));
    const [low, high, threshold] = found;
    return { low, high, threshold, rows, columns, bytes: bytes.subarray(place * rows * columns, (place + 1) * rows * columns) };
  }

  function heat(maps, map) {
    const SIZE = 160;
    const canvas = element("canvas", { width: SIZE, height: SIZE });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(SIZE, SIZE);
    const [down, across] = [axis(maps.grid[0], map.rows, SIZE), axis(maps.grid[1], map.columns, SIZE)];
    const value = (row, column) => map.bytes[row * map.columns + column];
    down.forEach(([top, bottom, v], y) => across.forEach(([left, right, u], x) => {
      const upper = value(top, left) * (1 - u) + value(top, right) * u;
      const lower = value(bottom, left) * (1 - u) + value(bottom, right) * u;
      pixels.data.set(colour((upper * (1 - v) + lower * v) / 255), 4 * (y * SIZE + x));
    }));
    context.putImageData(pixels, 0, 0);
    return canvas.toDataURL();
  }

  /* The dialog. */
  const LAYERS = ["above", "annotation", "heat", "dim"];
  const on = { above: true, annotation: true, heat: false, dim: true };
  let parts = null;
  let list = [];
  let at = 0;
  let chosen = null;
  let zoom = { k: 1, x: 0, y: 0 };

  function build() {
    const button = (name, text, label, act) => {
      const made = element("button", { type: "button", class: name, "aria-label": label, title: label }, text);
      made.addEventListener("click", act);
      return made;
    };
    const check = (name) => {
      const input = element("input", { type: "checkbox", name });
      input.addEventListener("change", () => { on[name] = input.checked; draw(); });
      return element("label", { class: `check of-${name}` }, input, element("span"));
    };
    const select = element("select", { "aria-label": "Annotated concept" });
    select.addEventListener("change", () => { chosen = select.value; on.annotation = true; draw(); });
    const stage = element("div", { class: "stage" });
    const dialog = element("dialog", { class: "viewer", "aria-labelledby": "viewer-name" },
      element("header", {},
        element("div", {}, element("h2", { id: "viewer-name" }), element("p", { class: "quiet", role: "status", "aria-live": "polite" })),
        button("close", "×", "Close", () => dialog.close())),
      stage,
      element("footer", {},
        element("div", { class: "layers" }, ...LAYERS.map(check)),
        element("div", { class: "walk" },
          button("back", "←", "Previous image", () => step(-1)), button("on", "→", "Next image", () => step(1)),
          button("out", "−", "Farther", () => scale(1 / 1.4)), button("in", "+", "Closer", () => scale(1.4)))));
    dialog.querySelector(".of-annotation").after(select);
    dialog.addEventListener("keydown", keyed);
    dialog.addEventListener("close", () => { if (list[at] && list[at].isConnected) list[at].focus(); });
    moved(stage);
    document.body.append(dialog);
    const find = (name) => dialog.querySelector(name);
    return {
      dialog, stage, select, name: find("h2"), said: find("header p"), back: find(".back"), on: find(".on"),
      layer: Object.fromEntries(LAYERS.map((name) => [name, { input: find(`input[name=${name}]`), text: find(`.of-${name} span`) }])),
    };
  }

  function keyed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const acts = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => step(-at), End: () => step(list.length - 1 - at),
      "+": () => scale(1.4), "=": () => scale(1.4), "-": () => scale(1 / 1.4), 0: () => reset(),
    };
    event.stopPropagation(); // the arrows of the page below step from unit to unit
    if (!acts[event.key] || event.target.tagName === "SELECT") return;
    event.preventDefault();
    acts[event.key]();
  }

  function open(link) {
    parts ||= build();
    const group = link.closest("[data-pictures]");
    list = [...(group || document).querySelectorAll("a.opens")].filter((one) => group || one === link);
    at = list.indexOf(link);
    chosen = group && group.dataset.concept !== undefined ? group.dataset.concept : null;
    parts.dialog.showModal();
    show();
  }

  function step(by) {
    const to = at + by;
    if (!by || to < 0 || to >= list.length) return;
    at = to;
    show();
  }

  /* The number of a link's image, and the script that says what it shows. */
  const number = (link) => (link.href.match(/(\d+)\.html$/) || [])[1];
  const script = (link) => link.dataset.script || `i/${number(link)}.js`;

  function show() {
    const link = list[at];
    const address = script(link);
    parts.back.disabled = at === 0;
    parts.on.disabled = at === list.length - 1;
    reset();
    load(address, () => { if (list[at] === link) draw(); });
  }

  function draw() {
    const link = list[at];
    const image = held.get(script(link));
    const group = link.closest("[data-pictures]");
    const { maps: address, unit } = group ? group.dataset : {};
    const [width, height] = image.drawn;
    const thumb = link.querySelector("svg.thumb");
    const line = thumb && thumb.querySelector(".line");
    const ring = thumb && thumb.querySelector(".ring");
    parts.name.replaceChildren(element("a", { href: root + image.page }, image.name));
    parts.said.textContent = [
      image.said || `image ${number(link)}`, `${image.width} × ${image.height}`, list.length > 1 ? `${at + 1} of ${list.length}` : "", image.reason,
    ].filter(Boolean).join(" · ");

    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": image.name });
    drawing.append(svg("image", { href: root + image.picture, width, height, preserveAspectRatio: "none" }));
    const shown = Number(link.dataset.view ?? number(link));
    const frame = (image.frames[link.dataset.seen || "squash"] || {})[shown] || [0, 0, 1, 1, 0];
    const box = thumb ? thumb.viewBox.baseVal : { width: 159, height: 159 };
    const [across, down] = [box.width + 1, box.height + 1]; // the view box leaves out half a pixel at each side
    const [left, top, wide, high] = [frame[0] * width, frame[1] * height, frame[2] * width, frame[3] * height];
    const sx = (frame[4] ? -1 : 1) * (wide / across);
    const view = svg("g", { transform: `translate(${frame[4] ? left + wide : left} ${top}) scale(${sx} ${high / down})` });
    drawing.append(view);

    const asks = address && on.heat && !held.has(address);
    if (asks) load(address, () => { if (list[at] === link) draw(); });
    const maps = address ? held.get(address) : null;
    const map = maps ? values(maps, Number(unit), shown) : null;
    if (map && on.heat) view.append(svg("image", { class: "map", href: heat(maps, map), width: across, height: down, preserveAspectRatio: "none" }));
    if (line && on.dim) view.append(svg("path", { class: "dim", d: `M0 0h${across}v${down}h-${across}z${line.getAttribute("d")}` }));
    if (line && on.above) view.append(svg("path", { class: "line", d: line.getAttribute("d") }));
    if (ring) {
      const x = Number(ring.getAttribute("cx")) / across, y = Number(ring.getAttribute("cy")) / down;
      drawing.append(svg("circle", { class: "ring", cx: left + wide * (frame[4] ? 1 - x : x), cy: top + high * y, r: 0.055 * Math.min(wide, high) }));
    }
    if (frame.some((part, n) => part !== [0, 0, 1, 1, 0][n])) {
      drawing.append(svg("rect", { class: "seen", x: left, y: top, width: wide, height: high }, svg("title", {}, document.createTextNode("what the network sees"))));
    }
    const concept = image.concepts.find(([name]) => name === chosen);
    if (concept && on.annotation) {
      drawing.append(concept[3] === null ? svg("rect", { class: "truth", width, height }) : svg("path", { class: "truth", d: concept[3] }));
    }

    const state = (name, possible, text) => {
      const { input, text: label } = parts.layer[name];
      input.checked = on[name];
      input.disabled = !possible;
      label.textContent = text;
    };
    state("above", Boolean(line), line ? "above T" : thumb && thumb.querySelector(".dim") ? "nothing above T" : "above T");
    state("dim", Boolean(line), "dimmed elsewhere");
    state("heat", Boolean(address) && (!maps || Boolean(map)), maps && !map ? "no map kept" : "heat map");
    state("annotation", Boolean(concept), chosen === null ? "annotation" : concept ? "annotated as" : `not annotated as ${chosen}`);
    parts.select.replaceChildren(...(concept ? [] : [element("option", { value: "" }, "choose a concept")]), ...image.concepts.map(([name]) => element("option", { value: name }, name)));
    parts.select.value = concept ? chosen : "";
    parts.select.hidden = !image.concepts.length;
    const legend = map && on.heat ? [legendOf(map)] : [];
    parts.stage.replaceChildren(drawing, ...legend);
    move();
  }

  function legendOf(map) {
    const digits = (value) => Number(value.toPrecision(3)).toLocaleString("en");
    const made = element("p", { class: "scale" }, digits(map.low), element("span", {}), digits(map.high));
    if (map.threshold !== null) made.append(element("b", {}, `T = ${digits(map.threshold)}`));
    return made;
  }

  /* Zoom and move: two fingers, the wheel, keys, buttons; a swipe steps to the next picture. */
  function move() {
    const drawing = parts.stage.querySelector("svg");
    if (drawing) drawing.style.transform = zoom.k === 1 ? "" : `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.k})`;
    parts.stage.classList.toggle("near", zoom.k > 1);
  }

  function reset() { zoom = { k: 1, x: 0, y: 0 }; move(); }

  /* Scale about a point of the stage, given from its middle. */
  function scale(by, x = 0, y = 0) {
    const k = Math.min(Math.max(zoom.k * by, 1), 12);
    zoom = k === 1 ? { k, x: 0, y: 0 } : { k, x: x - ((x - zoom.x) * k) / zoom.k, y: y - ((y - zoom.y) * k) / zoom.k };
    move();
  }

  function moved(stage) {
    const fingers = new Map();
    let start = null;
    const middle = () => {
      const box = stage.getBoundingClientRect();
      const all = [...fingers.values()];
      const mean = (n) => all.reduce((sum, point) => sum + point[n], 0) / all.length;
      const apart = all.length > 1 ? Math.hypot(all[0][0] - all[1][0], all[0][1] - all[1][1]) : 0;
      return { x: mean(0) - box.left - box.width / 2, y: mean(1) - box.top - box.height / 2, apart };
    };
    stage.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      stage.setPointerCapture(event.pointerId);
      start = fingers.size === 1 ? [event.clientX, event.clientY] : null;
    });
    stage.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      const before = middle();
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      const after = middle();
      if (zoom.k > 1) { zoom.x += after.x - before.x; zoom.y += after.y - before.y; }
      if (fingers.size === 2 && before.apart > 0) scale(after.apart / before.apart, after.x, after.y);
      else move();
    });
    const up = (event) => {
      fingers.delete(event.pointerId);
      if (!start || fingers.size || zoom.k > 1 || event.type === "pointercancel") return;
      const [dx, dy] = [event.clientX - start[0], event.clientY - start[1]];
      if (Math.abs(dx) > 40 && Math.abs(dx) > 2 * Math.abs(dy)) step(dx < 0 ? 1 : -1);
    };
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", up);
    stage.addEventListener("dblclick", (event) => {
      const box = stage.getBoundingClientRect();
      if (zoom.k > 1) reset();
      else scale(3, event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    });
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      scale(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 500)), event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    }, { passive: false });
  }

  /* The page of an image draws the outlines that are chosen. */
  function outlined(image) {
    const drawing = document.getElementById("picture");
    document.getElementById("reason").textContent = image.reason;
    const boxes = [...document.querySelectorAll("[data-outlines]")];
    const paint = () => {
      drawing.querySelectorAll(".outline").forEach((path) => path.remove());
      for (const box of boxes) {
        const found = box.checked && image.concepts[Number(box.dataset.outlines)];
        if (found) drawing.append(svg("path", { class: `outline ${found[1]}`, d: found[3] }, svg("title", {}, document.createTextNode(found[0]))));
      }
    };
    for (const box of boxes) box.addEventListener("change", paint);
    paint();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a.opens");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link);
  });

  return {
    image(number, data) {
      arrived(`i/${number}.js`, data);
      if (document.getElementById("picture") && root === "../") outlined(data);
    },
    other: arrived,
    maps: arrived,
    element, svg,
  };
})();
