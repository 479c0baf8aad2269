// Sets the theme before the first paint, so that nothing flashes. "system" follows the operating system; ?theme= wins for one visit.
(() => {
  const asked = new URLSearchParams(location.search).get("theme");
  let kept = null;
  try { kept = localStorage.getItem("manta.theme"); } catch { /* storage may be forbidden; the system's theme is fine */ }
  const theme = [asked, kept].find((one) => one === "dark" || one === "light");
  if (theme) document.documentElement.dataset.theme = theme;
})();
