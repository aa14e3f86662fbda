// Two months or two areas side by side, from the figures of their pages. No network beyond the site's own files.
(() => {
  "use strict";
  const form = document.getElementById("compare"), body = document.querySelector("#compare-table tbody");
  const note = document.getElementById("compare-note"), own = document.body.dataset.month;
  const LEVELS = ["自治区", "盟市", "旗县区", "街道"];
  const areas = (window.searchIndex || []).filter((row) => LEVELS.includes(row[2]));
  const months = window.pageMonths && window.pageMonths.length ? window.pageMonths : [own];
  if (!areas.length) { note.textContent = "地区目录未能读取。"; return; }
  form.hidden = false;
  const asked = new URLSearchParams(location.search);
  const known = (text) => { const [month, code] = (text || "").split("/"); return { month, code }; };
  const left = known(asked.get("left")), right = known(asked.get("right"));
  const option = (value, text) => new Option(text, value);
  const before = (month) => months.filter((one) => one < month).pop() || month;
  left.code ||= areas[0][1]; left.month ||= own;
  right.code ||= left.code; right.month ||= before(left.month);
  for (const [side, want] of [["left", left], ["right", right]]) {
    form[side + "-area"].append(...areas.map((row) => option(row[1], row[0] + "（" + row[2] + "）")));
    form[side + "-month"].append(...months.map((month) => option(month, month)));
    form[side + "-area"].value = want.code;
    form[side + "-month"].value = months.includes(want.month) ? want.month : own;
  }
  const load = (key) => new Promise((done) => {
    if (window.areaFigures && window.areaFigures[key]) return done(window.areaFigures[key]);
    const [month, code] = key.split("/"), script = document.createElement("script");
    script.src = (month === own ? "" : "../" + month + "/") + "area/" + code + ".figures.js";
    script.onload = () => done(window.areaFigures[key]);
    script.onerror = () => done(null);
    document.head.append(script);
  });
  const cell = (tag, text, kind) => Object.assign(document.createElement(tag), { textContent: text, className: kind || "" });
  const difference = (one, other) => {
    if (!one || !other || one.value === null || other.value === null) return "—";
    const step = Number(other.value) - Number(one.value), share = one.unit === "ratio" || one.unit === "ratio_change";
    if (Math.abs(step) < 1e-9) return "相同";
    const digits = share ? 1 : ["count", "households", "days"].includes(one.unit) ? 0 : 2;
    const size = Math.abs(share ? step * 100 : step);
    const text = size.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
    return (step > 0 ? "▲ 多 " : "▼ 少 ") + text + (share ? " 个百分点" : "");
  };
  const show = async () => {
    const keys = ["left", "right"].map((side) => form[side + "-month"].value + "/" + form[side + "-area"].value);
    const [one, other] = await Promise.all(keys.map(load));
    body.replaceChildren();
    if (!one || !other) { note.textContent = "其中一方没有这个月份的数据，或不在您的地区范围内。"; return; }
    note.textContent = `甲：${one.name} ${one.month}（截至 ${one.night}）；乙：${other.name} ${other.month}（截至 ${other.night}）。`
      + (one.is_in_progress || other.is_in_progress ? "其中有未满的月份，件数不宜直接相减。" : "");
    for (const code of new Set([...Object.keys(one.values), ...Object.keys(other.values)])) {
      const [a, b] = [one.values[code], other.values[code]], row = document.createElement("tr");
      const head = cell("th", (a || b).label);
      head.scope = "row";
      row.append(head, cell("td", a ? a.text + (a.why ? "（数据缺报）" : "") : "—", "n"), cell("td", b ? b.text + (b.why ? "（数据缺报）" : "") : "—", "n"), cell("td", difference(a, b), "n"));
      ["甲", "乙", "乙 − 甲"].forEach((label, index) => { row.children[index + 1].dataset.label = label; });
      body.append(row);
    }
    history.replaceState(null, "", "?left=" + keys[0] + "&right=" + keys[1]);
  };
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
