/**
 * The API's page: Swagger UI on our own document. Its script is two hundred times ours, and waits for the page to be there.
 */

const script = document.createElement("script");
script.src = "/docs/swagger-ui-bundle.min.js";
script.addEventListener("load", draw);
document.head.append(script);

function draw() {
  /** @type {any} Swagger UI comes as a classic script */
  const { SwaggerUIBundle } = window;

  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    tryItOutEnabled: true,
    defaultModelsExpandDepth: -1,
    validatorUrl: null, // the document is sent to nobody
  });
}
