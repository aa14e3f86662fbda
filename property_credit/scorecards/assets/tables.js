// Tables that sort, filter and are taken away as CSV, and every table's and chart's definitions as JSON. No network.
(() => {
  "use strict";
  const MANY = 8, CHOICES = 15, SHOWN = 200, page = document.body.dataset;
  const make = (tag, text, set = {}) => Object.assign(document.createElement(tag), { textContent: text }, set);
  const words = (cell) => {
    const figure = cell.querySelectorAll("[data-figure]");
    if (figure.length === 1 && cell.classList.contains("n")) return figure[0].dataset.value;
    return cell.innerText.replace(/\s+/g, " ").trim();
  };
  const safe = (text) => {                                     // as in the files: a spreadsheet runs nothing of it
    const kept = /^[=+@\t\r\n]|^-(?![\d.])/.test(text) ? "'" + text : text;
    return /[",\n]/.test(kept) ? '"' + kept.replaceAll('"', '""') + '"' : kept;
  };
  const save = (name, type, text) => {
    const link = make("a", "", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const load = (src, then) => document.head.append(make("script", "", { src, onload: then }));
  const catalogue = (then) => {                                // read when somebody asks for a definition
    if (window.figureCatalogue) return then(window.figureCatalogue);
    load(page.root + "figures.js", () => then(window.figureCatalogue));
  };
  const name = (title, end) => `${page.subject}-${page.month}-${title.replace(/[\\/:*?"<>|\s]+/g, "_").slice(0, 40)}.${end}`;
  const describe = (title, codes, rows, filters) => catalogue((figures) => save(name(title, "json"), "application/json",
    JSON.stringify({
      title, subject: page.subject, month: page.month, business_date: page.night, edition: page.edition, rows, filters,
      figures: codes.map((code) => ({ code, ...figures[code] })),
    }, null, 2)));
  const codesIn = (part) => [...new Set([
    ...[...part.querySelectorAll("[data-figure]")].map((one) => one.dataset.figure.split("/")[0]),
    ...[...part.querySelectorAll("a.d")].map((one) => decodeURIComponent(one.hash.slice(1))),
  ])];
  const csv = (title, lines) => save(name(title, "csv"), "text/csv", "\ufeff" + lines.map((line) => line.map(safe).join(",")).join("\r\n") + "\r\n");
  const heading = (part) => {
    const caption = part.querySelector("caption");
    let before = part.closest(".wide") || part, text = caption ? caption.textContent : "";
    while ((before = before.previousElementSibling || (before.parentElement.matches("main") ? null : before.parentElement)))
      if (before.matches("h2, h3, summary")) { text = before.innerText.split("\n")[0].replace(/(展开|收起).*$/, "") + (text ? " " + text : ""); break; }
    return text.trim() || document.title;
  };
  const button = (text, label, act) => {
    const one = make("button", text, { type: "button", onclick: act });
    one.setAttribute("aria-label", label);
    return one;
  };

  for (const table of document.querySelectorAll("main table:not(.points, .days table)")) {
    const heads = [...table.querySelectorAll("thead th")], body = table.tBodies[0];
    let rows = body && table.tBodies.length === 1 ? [...body.rows].filter((row) => row.cells.length === heads.length) : [];
    if (rows.length < 2 && !table.dataset.rows) continue;
    const title = heading(table), tools = make("div", "", { className: "tools" }), elsewhere = table.dataset.rows;
    let texts = rows.map((row) => [...row.cells].map(words)), isWhole = !elsewhere;
    const chosen = new Map();
    const count = make("span", "", { className: "quiet" });
    count.setAttribute("role", "status");
    // a table of more rows than its page has them in a script beside it: read when it is sorted, filtered or taken away
    const whole = (then) => {
      if (isWhole) return then();
      load(elsewhere, () => {
        if (!isWhole) {
          const holder = make("template", "", { innerHTML: `<table><tbody>${window.tableRows[elsewhere].join("")}</tbody></table>` });
          rows = [...document.importNode(holder.content, true).querySelectorAll("tr")];
          texts = rows.map((row) => [...row.cells].map(words));
          isWhole = true;
        }
        then();
      });
    };
    const shown = () => rows.filter((row) => !row.hidden);
    const apply = () => whole(() => {
      const typed = find ? find.value.trim().toLowerCase() : "";
      rows.forEach((row, at) => {
        const fits = [...chosen].every(([column, value]) => ` ${texts[at][column]} `.includes(` ${value} `));
        row.hidden = !(fits && (!typed || texts[at].join(" ").toLowerCase().includes(typed)));
      });
      const fitting = shown();
      if (elsewhere) body.replaceChildren(...fitting.slice(0, SHOWN));
      const cut = elsewhere && fitting.length > SHOWN ? `，显示前 ${SHOWN} 行` : "";
      count.textContent = fitting.length < rows.length || cut ? `${fitting.length} / ${rows.length} 行${cut}` : "";
      if (pager) pager.hidden = true;
    });
    const pager = elsewhere ? table.parentElement.querySelector(".pager") : null;
    let find = null;
    if (rows.length >= MANY || elsewhere) {
      find = make("input", "", { type: "search", placeholder: "筛选", oninput: apply });
      find.setAttribute("aria-label", title + "：筛选");
      tools.append(find);
      heads.forEach((head, column) => {
        const said = head.dataset.choices, known = said ? said.split("|") : texts.map((line) => line[column]);
        const values = [...new Set(known)].filter(Boolean).sort((a, b) => a.localeCompare(b, "zh"));
        const isFew = said || (values.length <= CHOICES && values.length <= rows.length / 2);
        if (head.classList.contains("n") || values.length < 2 || !isFew) return;
        const select = make("select", "", { onchange: () => { select.value ? chosen.set(column, select.value) : chosen.delete(column); apply(); } });
        const label = head.innerText.trim();
        select.setAttribute("aria-label", title + "：" + label);
        select.append(make("option", label + "：全部", { value: "" }), ...values.map((value) => make("option", value, { value })));
        tools.append(select);
      });
    }
    tools.append(count,
      button("CSV", title + "：导出筛选结果", () => whole(() => csv(title, [heads.map((one) => one.innerText.replace("↕", "").trim()), ...shown().map((row) => texts[rows.indexOf(row)])]))),
      button("JSON", title + "：口径、版本与来源", () => whole(() => describe(title, codesIn(table), shown().length, Object.fromEntries([...chosen].map(([at, value]) => [heads[at].innerText.replace("↕", "").trim(), value]))))));
    (table.closest(".wide") || table).before(tools);
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const sort = button("↕", `按${head.innerText.trim()}排序`, () => {
        const up = head.getAttribute("aria-sort") !== "descending" ? -1 : 1;
        for (const one of heads) one.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up < 0 ? "descending" : "ascending");
        const number = (text) => (/^[-\d.,%]+$/.test(text) ? parseFloat(text.replaceAll(",", "")) : NaN);
        whole(() => {
          const order = rows.map((_, at) => at).sort((a, b) => {
            const [x, y] = [texts[a][column], texts[b][column]], [n, m] = [number(x), number(y)];
            if (isNaN(n) !== isNaN(m)) return isNaN(n) ? 1 : -1;      // what is not known stands last, either way
            return up * (isNaN(n) ? x.localeCompare(y, "zh") : n - m);
          });
          [rows, texts] = [order.map((at) => rows[at]), order.map((at) => texts[at])];
          if (elsewhere) apply();
          else body.append(...rows);
        });
      });
      sort.className = "sort";
      head.append(sort);
    });
  }

  for (const figure of document.querySelectorAll("main figure")) {
    const values = [...figure.querySelectorAll("[data-figure]")], caption = figure.querySelector("figcaption");
    if (!values.length || !caption) continue;
    const title = caption.innerText.split("\n")[0].trim(), tools = make("div", "", { className: "tools" });
    tools.append(
      button("CSV", title + "：数据", () => csv(title, [["figure", "subject", "value"], ...values.map((one) => {
        const [code, ...subject] = one.dataset.figure.split("/");
        return [code, subject.join("/"), one.dataset.value];
      })])),
      button("JSON", title + "：口径、版本与来源", () => describe(title, codesIn(figure), values.length, {})));
    caption.append(tools);
  }
})();
