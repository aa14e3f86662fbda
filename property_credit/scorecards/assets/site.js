// Search, printing, and the links that only a server can answer. Pages are whole without it.
(() => {
  "use strict";
  const served = location.protocol.startsWith("http");
  for (const link of document.querySelectorAll(".served")) link.hidden = !served;
  for (const button of document.querySelectorAll("button.print")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  const parts = [...document.querySelectorAll("details.part")];
  if (matchMedia("screen and (max-width:720px)").matches) for (const one of parts) one.open = false;   // a phone unfolds what it wants

  const reveal = () => {                                     // a link to evidence opens what holds it
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let holder = target && target.closest("details");
    if (!holder) return;
    for (; holder; holder = holder.parentElement.closest("details")) holder.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details.ev, details.part")) { one.dataset.was = one.open; one.open = true; }
  });
  addEventListener("afterprint", () => {
    for (const one of document.querySelectorAll("details.ev, details.part")) one.open = one.dataset.was === "true";
  });

  const form = document.querySelector("form.search");
  if (!form) return;
  form.hidden = false;
  const root = form.dataset.root, input = form.querySelector("input"), results = form.querySelector(".results");
  let asked = false, idsAsked = false;
  const load = () => {                                       // the index is read when somebody wants to search
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = root + "search.js";
    script.onload = show;
    script.onerror = () => { results.textContent = "查找目录未能读取"; };
    document.head.append(script);
  };
  const loadIds = () => {
    if (idsAsked) return;
    idsAsked = true;
    const script = document.createElement("script");
    script.src = root + "ids.js";
    script.onload = show;
    script.onerror = () => { window.idIndex = []; show(); };
    document.head.append(script);
  };
  const show = () => {
    const words = input.value.trim().toLowerCase();
    results.replaceChildren();
    if (!words || !window.searchIndex) return;
    const hits = [];
    for (const [name, code, place, href] of window.searchIndex) {
      if (name.toLowerCase().includes(words) || code.toLowerCase().includes(words)) hits.push([name, code, place, href]);
      if (hits.length === 21) break;
    }
    if (/\d{4}/.test(words)) {                                  // a number: complaints, findings, records, contracts
      if (!window.idIndex) { results.textContent = "正在查找编号……"; loadIds(); return; }
      for (const [id, href] of window.idIndex) {
        if (hits.length > 20) break;
        if (id.toLowerCase().includes(words)) hits.push([id, "", "诉求、检查、记录或合同编号", href]);
      }
    }
    if (!hits.length) { results.textContent = "没有找到"; return; }
    const list = document.createElement("ul");
    for (const [name, code, place, href] of hits.slice(0, 20)) {
      const item = document.createElement("li"), link = document.createElement("a"), note = document.createElement("small");
      link.href = root + href;
      link.textContent = name;
      note.textContent = place + " " + code;
      item.append(link, note);
      list.append(item);
    }
    results.append(list);
    if (hits.length > 20) { const more = document.createElement("p"); more.textContent = "只列前 20 项，请再输入几个字"; results.append(more); }
  };
  input.addEventListener("focus", load, { once: true });
  input.addEventListener("input", () => { load(); show(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = results.querySelector("a");
    if (first) first.click();
  });
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") { input.value = ""; show(); } });
})();
