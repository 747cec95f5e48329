// A link's text stands behind "#", where no log sees it: it goes into the form, and out of the address bar.
"use strict";
(() => {
  const field = document.querySelector("input[name=k]");
  const text = location.hash.slice(1);
  if (!field || !text) return;
  field.value = text;
  history.replaceState(null, "", location.pathname);
})();
