// Brings the board up to date by itself, but never while somebody writes or has a field in hand.
(function () {
  "use strict";
  var seconds = 30;
  function isBusy() {
    var held = document.activeElement;
    return document.hidden || (held && /^(INPUT|TEXTAREA|SELECT)$/.test(held.tagName));
  }
  function refresh() {
    if (isBusy()) { return; }
    fetch(location.href, { credentials: "same-origin", redirect: "manual" }).then(function (answer) {
      if (!answer.ok) { throw new Error("refused"); }
      return answer.text();
    }).then(function (text) {
      var fresh = new DOMParser().parseFromString(text, "text/html").getElementById("board");
      var shown = document.getElementById("board");
      if (fresh && shown && !isBusy()) { shown.replaceWith(document.importNode(fresh, true)); }
    }).catch(function () {
      var note = document.getElementById("stale");
      if (note) { note.hidden = false; }
    });
  }
  setInterval(refresh, seconds * 1000);
}());
