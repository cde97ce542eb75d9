// One read of the REST API, shown as it comes: what any page with a live figure has to do.
const path = `/deviceUpdate/${location.hash.slice(1)}/management/updateCompliance?api-version=2026-06-01`;
fetch(path, { headers: { Authorization: `Bearer ${sessionStorage.getItem('token')}` } })
  .then((answer) => answer.json())
  .then(({ totalDeviceCount: total, onLatestUpdateDeviceCount: latest }) => {
    document.getElementById('figure').textContent = `${((100 * latest) / total).toFixed(1)} %`;
  });
