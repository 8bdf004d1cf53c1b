// How loud the agent is: the largest RMS of its voice so far, in `window.heard`.
(video) => {
  window.heard = 0;
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  context.createMediaStreamSource(video.srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    window.heard = Math.max(window.heard, Math.sqrt(power));
  }, 20);
}
