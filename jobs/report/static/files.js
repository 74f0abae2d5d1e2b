"use strict";
/* Files that a page gives. CSV is by RFC 4180, in UTF-8 with a byte order mark, by which spreadsheets know it; a text that they
   would take for a formula gets an apostrophe before it, as from `filterscope query --format csv --safe`. */
const files = (() => {
  const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  function field(value) {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = /^[=+\-@\t\r]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }
  return {
    csv: (rows) => `\ufeff${rows.map((row) => row.map(field).join(",")).join("\r\n")}\r\n`,
    save(name, type, text) {
      const address = URL.createObjectURL(new Blob([text], { type }));
      dom.element("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    },
  };
})();
