/** Open a camera, the one behind the screen if none is named. Rejects as getUserMedia does. */
export async function openCamera(deviceId: string): Promise<MediaStream> {
  if (!isThere(navigator)) throw new DOMException('no camera without a secure address', 'SecurityError');
  const which = deviceId === '' ? { facingMode: 'environment' } : { deviceId: { exact: deviceId } };
  return navigator.mediaDevices.getUserMedia({ video: { ...which, width: { ideal: 1_280 }, height: { ideal: 720 } } });
}

/** Return the cameras there are; their names are told only once one may be used. */
export async function listCameras(): Promise<MediaDeviceInfo[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === 'videoinput');
}

/** Return why there is no picture, in words. */
export function cameraFault(failed: unknown): string {
  switch (failed instanceof DOMException ? failed.name : '') {
    case 'NotAllowedError':
      return 'The browser does not let this page use the camera. Allow it beside the address, then open the camera again.';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'No camera was found. Connect one, then open the camera again.';
    case 'NotReadableError':
      return 'The camera is used by another program. Close that, then open the camera again.';
    case 'SecurityError':
      return 'Browsers give a camera only to pages at https addresses or at localhost. Open this page under such an address.';
    default:
      return `The browser said: ${failed instanceof Error ? failed.message : String(failed)}`;
  }
}

/** Outside secure addresses browsers have no media devices, which their types do not tell. */
function isThere(browser: { mediaDevices?: MediaDevices }): boolean {
  return browser.mediaDevices !== undefined;
}
