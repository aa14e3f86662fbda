// Keys for names that wait: J, K another name; 1 to 3 its candidate (Enter says it is); X it is not; U takes the last back.
(() => {
  const names = [...document.querySelectorAll("[data-match]")];
  let at = -1;
  const go = (step) => { if (names.length) { at = Math.min(Math.max(at + step, 0), names.length - 1); names[at].focus(); names[at].scrollIntoView({ block: "nearest" }); } };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    const name = names[Math.max(at, 0)];
    let button = null;
    if (key === "j") go(1);
    else if (key === "k") go(-1);
    else if (/^[1-9]$/.test(key)) button = name && name.querySelector(`[data-choice="${key}"]`);
    else if (key === "x") {
      const chosen = document.activeElement && document.activeElement.dataset.choice;
      button = name && name.querySelector(`[data-not="${chosen || 1}"]`);
    } else if (key === "u") button = document.querySelector("[data-undo]");
    else return;
    event.preventDefault();
    if (button) button.focus();  // Enter sends it: no key decides by itself
  });
})();
