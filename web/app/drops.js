/**
 * Files dropped anywhere on the page; without this, a near miss would make the browser leave for the file.
 */

/**
 * @param {HTMLElement} zone shows that a drop would be taken
 * @param {(files: File[]) => void} onFiles
 */
export function takeDrops(zone, onFiles) {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) onFiles(files);
  });
}
