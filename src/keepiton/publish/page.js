"use strict";
(() => {
  const table = document.getElementById("windows");
  if (!table) return;
  const words = table.dataset;
  const bodies = () => [...table.tBodies];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = words.sort;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (body) => body.rows[0].cells[column].dataset.key ?? body.rows[0].cells[column].textContent;
      const order = bodies().sort((a, b) => key(a).localeCompare(key(b), undefined, { numeric: true }));
      table.append(...(up ? order : order.reverse()));
    });
  });
  const label = document.createElement("label");
  label.append(words.filter + " ");
  const field = document.createElement("input");
  field.type = "search";
  label.append(field);
  const line = document.createElement("p");
  line.className = "filter";
  const shown = document.createElement("span");
  shown.setAttribute("role", "status");
  line.append(label, " ", shown);
  table.parentElement.before(line);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let left = 0;
    for (const body of bodies()) {
      body.hidden = !body.textContent.toLowerCase().includes(wanted);
      left += body.hidden ? 0 : 1;
    }
    shown.textContent = wanted ? `${left} / ${bodies().length}` : "";
  });
})();
