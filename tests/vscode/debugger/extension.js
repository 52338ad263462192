// debugpy alone, in the place of the Python extension, which no registry here has.
const vscode = require("vscode");

exports.activate = (context) => {
  const adapter = {
    createDebugAdapterDescriptor: ({ configuration: { connect, python } }) =>
      connect ? new vscode.DebugAdapterServer(connect.port, connect.host) : new vscode.DebugAdapterExecutable(python, ["-m", "debugpy.adapter"]),
  };
  // A process that the program starts is a session of its own, which debugpy offers.
  const offered = ({ event, session, body }) =>
    event === "debugpyAttach" && vscode.debug.startDebugging(session.workspaceFolder, body, { parentSession: session });
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory("debugpy", adapter),
    vscode.debug.onDidReceiveDebugSessionCustomEvent(offered),
  );
};
