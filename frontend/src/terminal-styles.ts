// Styles that a library writes into the page, where the page's policy forbids them: put there by the object model instead.

/** Let style elements and style attributes made by scripts work under `style-src 'self'`; only for pages of our own. */
export function stylesByObjectModel(): void {
  const create = document.createElement.bind(document) as (name: string, options?: ElementCreationOptions) => HTMLElement;
  document.createElement = ((name: string, options?: ElementCreationOptions): HTMLElement => {
    if (name.toLowerCase() !== "style") return create(name, options);
    // Even an empty style element is refused, so it is another that shows nothing.
    const element = create("template");
    adopt(element);
    return element;
  }) as typeof document.createElement;
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (this: Element, name: string, value: string): void {
    if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
    else set.call(this, name, value);
  };
}

/** Make the text of a style element a style sheet of the document, for as long as it is not removed. */
function adopt(element: HTMLElement): void {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  element.remove = function (): void {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    HTMLElement.prototype.remove.call(element);
  };
}
