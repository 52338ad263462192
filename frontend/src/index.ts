// The entry that TensorBoard's frame calls: render().
import "./words/answer_strip";
import "./view/header";
import "./pixels/legend";
import "./view/notice";
import "./view/spoken";
import "./matrix/relevance_matrix";
import "./samples/sample_picker";
import "./pixels/scale_scrubber";
import "./pixels/stage";
import "./view/step_slider";
import { embeddedData } from "./data/embedded";
import { ExplanationSource } from "./data/explanation_source";
import type { Host } from "./view/host";
import { keepState } from "./view/keep_state";
import { PanelModel } from "./view/model";
import { Panel } from "./view/panel";
import { whenShown } from "./view/shown";
import { fromParameters } from "./view/state";
import { TensorBoardHost } from "./view/tensorboard_host";

export async function render(given?: Host): Promise<void> {
  const host = given ?? (await ownHost());
  document.documentElement.lang = "en";
  document.title ||= "Explanations";
  document.body.style.margin = "0";
  const { api, loader, view } = await host.data();
  const model = new PanelModel(api, new ExplanationSource(loader), fromParameters({ ...view, ...host.readState() }));

  const panel = new Panel();
  panel.model = model;
  panel.host = host;
  host.followTheme((dark) => {
    panel.dark = dark;
    panel.classList.toggle("dark", dark);
    document.documentElement.style.background = dark ? "#1e1f22" : "#ffffff";
  });
  document.body.append(panel);

  panel.goBack = keepState(model, host);
  keepFresh(model, host);
  await whenShown();
  host.takeFocus();
  host.warmUp();
  await model.refresh();
}

async function ownHost(): Promise<Host> {
  const data = embeddedData();
  if (!data) return new TensorBoardHost();
  const { PageHost } = await import("./view/page_host");
  return new PageHost(data);
}

/** New data is read when the host tells of it; while the tab is hidden, once it is shown. */
function keepFresh(model: PanelModel, host: Host): void {
  let due = false;
  host.watchNews(async () => {
    if (due) return;
    due = true;
    await whenShown();
    due = false;
    await model.refresh();
  });
}

// A standalone page has nobody to call render().
if (embeddedData()) void render();
