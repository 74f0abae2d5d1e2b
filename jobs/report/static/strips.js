"use strict";
/* Top images of units: drawn where a page has an element with data-strips and data-unit, once it comes near the screen. */
const filterscope = (() => {
  const root = document.documentElement.dataset.root;
  const loaded = new Map();
  const waiting = new Map();
  const { svg } = dom;

  function draw(element, block) {
    const images = block.units[Number(element.dataset.unit) - block.first] || [];
    const { width, height } = block;
    element.dataset.pictures = "";
    element.dataset.maps = block.maps;
    element.replaceChildren(...images.filter(([slot]) => slot >= 0).map(([slot, path, image, view], n) => {
      const place = slot % 16;
      const link = document.createElement("a");
      Object.assign(link.dataset, { view, seen: block.seen });
      link.className = "opens";
      link.href = `${root}i/${image}.html`;
      link.tabIndex = n ? -1 : 0; // one stop for the keyboard; the arrows lead on from there
      link.setAttribute("aria-label", `image ${image}`);
      const thumb = svg("svg", { class: "thumb", viewBox: `.5 .5 ${width - 1} ${height - 1}`, "aria-hidden": "true" });
      const file = String(Math.floor(slot / 16)).padStart(6, "0");
      thumb.append(svg("image", {
        href: `${root}${block.thumbnails}/${file}.webp`,
        x: -(place % 4) * width, y: -Math.floor(place / 4) * height, width: 4 * width, height: 4 * height,
      }));
      thumb.append(svg("path", { class: "dim", d: `M0 0h${width}v${height}h-${width}z${path}` }));
      if (path) thumb.append(svg("path", { class: "line", d: path }));
      link.append(thumb);
      return link;
    }));
    element.classList.add("ready");
  }

  function request(element) {
    const key = element.dataset.strips;
    if (loaded.has(key)) { draw(element, loaded.get(key)); return; }
    if (waiting.has(key)) { waiting.get(key).push(element); return; }
    waiting.set(key, [element]);
    const script = document.createElement("script");
    script.src = root + key;
    document.head.append(script);
  }

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { observer.unobserve(entry.target); request(entry.target); }
    }
  }, { rootMargin: "400px" });

  return {
    /* A file of strips calls this. */
    strips(key, block) {
      loaded.set(key, block);
      for (const element of waiting.get(key) || []) draw(element, block);
      waiting.delete(key);
    },
    watch(element) { observer.observe(element); },
  };
})();

for (const element of document.querySelectorAll(".strip[data-strips]")) filterscope.watch(element);
