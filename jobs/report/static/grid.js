"use strict";
/* The grid of all images: found by concept and by name, 60 at a time; what is shown stands in the address. */
pictures.grid = (data) => {
  const PAGE = 60;
  const { element, svg } = pictures;
  const form = document.getElementById("find");
  const grid = document.getElementById("grid");
  const field = (name) => form.elements.namedItem(name);
  let page = 0;

  /* Images that hold a concept of that name, or of one that has the text in its name; those with most of it first. */
  function holding(text) {
    const exact = data.concepts.filter(([name]) => name.toLowerCase() === text);
    const found = exact.length ? exact : data.concepts.filter(([name, category]) => `${name} ${category}`.toLowerCase().includes(text));
    return { places: [...new Set(found.flatMap(([, , , places]) => places))], names: found.map(([name]) => name) };
  }

  function chosen() {
    const concept = field("concept").value.trim().toLowerCase();
    const name = field("name").value.trim().toLowerCase();
    const held = concept ? holding(concept) : { places: data.images.map((_, n) => n), names: [] };
    const places = held.places.filter((n) => !name || data.images[n][1].toLowerCase().includes(name) || String(data.images[n][0]) === name);
    return { places, names: held.names };
  }

  function item(n) {
    const [image, name, number, slot, view] = data.images[n];
    const { seen, folder, width, height } = data.looks[number];
    const file = String(Math.floor(slot / 16)).padStart(6, "0");
    const thumb = svg("svg", { class: "thumb", viewBox: `.5 .5 ${width - 1} ${height - 1}`, role: "img", "aria-label": `image ${image}, ${name}` },
      svg("image", { href: `${folder}/${file}.webp`, x: -(slot % 4) * width, y: -Math.floor((slot % 16) / 4) * height, width: 4 * width, height: 4 * height }));
    const page = `i/${image}.html`;
    return element("li", {},
      element("a", { class: "opens", href: page, "data-view": view, "data-seen": seen }, thumb),
      element("p", {}, element("a", { href: page, title: name }, name)));
  }

  function show() {
    const { places, names } = chosen();
    const pages = Math.max(1, Math.ceil(places.length / PAGE));
    page = Math.min(page, pages - 1);
    grid.replaceChildren(...places.slice(page * PAGE, (page + 1) * PAGE).map(item));
    if (names.length === 1) grid.dataset.concept = names[0];
    else delete grid.dataset.concept;
    const [some, all] = [places.length.toLocaleString("en"), data.images.length.toLocaleString("en")];
    const said = names.length === 1 ? `, those with most of it first` : names.length ? `, of ${names.length} concepts` : "";
    document.getElementById("count").textContent = places.length ? (places.length === data.images.length && !names.length ? `${all} images` : `${some} of ${all} images${said}`) : "No image matches.";
    const turn = (label, to) => {
      const made = element("button", { type: "button" }, label);
      made.disabled = to < 0 || to >= pages;
      made.addEventListener("click", () => { page = to; show(); grid.scrollIntoView(); });
      return made;
    };
    document.getElementById("pager").replaceChildren(...(pages > 1 ? [turn("previous", page - 1), `${page + 1} of ${pages}`, turn("next", page + 1)] : []));
    const address = new URLSearchParams();
    for (const name of ["concept", "name"]) if (field(name).value) address.set(name, field(name).value);
    if (page) address.set("page", String(page + 1));
    const hash = address.toString();
    if (hash !== window.location.hash.slice(1)) window.history.replaceState(null, "", hash ? `#${hash}` : window.location.pathname.split("/").pop());
  }

  function read() {
    const said = new URLSearchParams(window.location.hash.slice(1));
    for (const name of ["concept", "name"]) field(name).value = said.get(name) || "";
    page = Math.max(0, (Number(said.get("page")) || 1) - 1);
  }

  document.getElementById("concepts").append(...data.concepts.map(([name, , , places]) => element("option", { value: name }, `${places.length} images`)));
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { page = 0; show(); });
  window.addEventListener("hashchange", () => { read(); show(); });
  read();
  show();
};
