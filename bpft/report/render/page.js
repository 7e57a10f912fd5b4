// Every column heading becomes a button that sorts its table; without scripts the page is as it was sorted.
"use strict";
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function key(row, column) {
  const cell = row.cells[column];
  return "v" in cell.dataset ? BigInt(cell.dataset.v) : cell.textContent.trim();
}

function compare(one, other) {
  if (typeof one === "bigint" && typeof other === "bigint") return one < other ? -1 : one > other ? 1 : 0;
  return collator.compare(String(one), String(other));
}

function sort(table, column) {
  const heads = table.tHead.querySelectorAll("th");
  const figures = heads[column].classList.contains("figure");
  const before = heads[column].getAttribute("aria-sort");
  const down = before ? before === "ascending" : figures;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const known = (row) => row.cells[column].textContent.trim() !== "-";
  const rows = [...table.tBodies[0].rows].map((row) => [row, key(row, column)]);
  rows.sort(([one, a], [other, b]) => known(other) - known(one) || (down ? compare(b, a) : compare(a, b)));
  table.tBodies[0].append(...rows.map(([row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column));
    head.append(button);
  });
}
