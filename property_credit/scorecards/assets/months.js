// The menu of months: the same page in another month. Which there are stands beside the months' folders.
(() => {
  "use strict";
  const form = document.querySelector("form.month"), own = document.body.dataset.month, months = window.pageMonths || [];
  if (!form || !months.length) return;
  const menu = form.querySelector("select");
  menu.append(...[...months].reverse().map((month) => new Option(month, month, false, month === own)), new Option("全部月份", ""));
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  menu.addEventListener("change", () => {
    const folder = new URL(document.body.dataset.root + "./", location.href);   // of this month
    if (!menu.value) location.href = new URL("../index.html", folder);
    else {                                                     // a notice lies outside the months' folders
      const page = location.href.startsWith(folder.href) ? location.href.slice(folder.href.length) : "index.html";
      location.href = new URL(`../${menu.value}/${page}`, folder);
    }
  });
})();
