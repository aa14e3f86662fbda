// Which firm manages a community, and its grade. The list is read when somebody wants to search.
(() => {
  "use strict";
  const form = document.querySelector("form.find");
  if (!form) return;
  form.hidden = false;
  const input = form.querySelector("input"), answer = form.querySelector(".answer");
  let asked = false;
  const load = () => {
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = "communities.js";
    script.onload = show;
    script.onerror = () => { answer.textContent = "小区目录未能读取，请在下面按旗县区查找。"; };
    document.head.append(script);
  };
  const show = () => {
    const words = input.value.trim();
    answer.replaceChildren();
    if (!words || !window.communities) return;
    const hits = window.communities.filter((row) => row[0].includes(words));
    if (!hits.length) { answer.textContent = "没有这个名称的小区，请换几个字，或在下面按旗县区查找。"; return; }
    const list = document.createElement("ul");
    for (const [name, district, manager, grade] of hits.slice(0, 20)) {
      const item = document.createElement("li"), title = document.createElement("b");
      title.textContent = name;
      item.append(title, `（${district}） 管理人：${manager || "目前没有"}；等级：${grade || "没有等级"}`);
      list.append(item);
    }
    answer.append(list);
    if (hits.length > 20) answer.append("只列前 20 个，请再输入几个字。");
  };
  input.addEventListener("focus", load, { once: true });
  input.addEventListener("input", () => { load(); show(); });
  form.addEventListener("submit", (event) => { event.preventDefault(); load(); show(); });
})();
