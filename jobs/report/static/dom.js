"use strict";
/* Elements of a page, with attributes and children; every script makes its elements here. */
const dom = (() => {
  function filled(made, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  return {
    element: (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children),
    svg: (tag, attributes = {}, ...children) => filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children),
  };
})();
