
"use strict";
const search = document.getElementById("search");
if (search) {
  const kind = document.getElementById("kind");
  const count = document.getElementById("count");
  const items = Array.from(document.querySelectorAll(".changes > li"), (item) => (
    { item, text: item.textContent.toLowerCase(), kind: item.dataset.kind }
  ));
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of items) {
      const fits = (!kind.value || entry.kind === kind.value) && words.every((word) => entry.text.includes(word));
      entry.item.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${items.length} shown`;
  };
  search.addEventListener("input", show);
  kind.addEventListener("input", show);
  show();
}
