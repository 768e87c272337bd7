/*
 * What the vendors' tools say when something is wrong, and what that means.  The texts are those of the tools' sources
 * and manuals (tests/cluster/fakes says the page for each); a tool's own line comes before what any tool says.
 */
#include <ctype.h>

#include "cluster/internal.h"

#define TAIL_MAX ((size_t)16 << 10)

#define EXPIRED_AWS "sign in again (aws sso login, or fresh keys), then the same command once more"
#define LOGIN_AWS "aws configure     (or AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY); aws sts get-caller-identity shows who you are"
#define LOGIN_GCLOUD "gcloud auth login     and: gcloud config set project PROJECT"
#define QUOTA_AWS "fewer or smaller nodes (no_nodes, node_size), another region, or a higher quota: aws service-quotas, in the AWS console"
#define QUOTA_GCLOUD "fewer or smaller nodes (no_nodes, node_size), another region, or a higher quota: IAM & Admin > Quotas in the console"
#define DOCKER_GROUP "sudo usermod -aG docker $USER     then log in again (the docker group is as good as root), or vm_driver: podman"
#define VIRTUALISATION "turn virtualisation on in the firmware (VT-x, AMD-V), load kvm_intel or kvm_amd; inside a virtual machine nested " \
	"virtualisation is needed. Without: vm_driver: docker, kind.yaml or k3d.yaml need none"

static const struct mill_symptom symptoms[] = {
	/* minikube: the ids are those of pkg/minikube/reason */
	{MILL_SYMPTOM_ABSENT, "minikube", "profile not found", "there is no such profile", NULL},
	{MILL_SYMPTOM_ABSENT, "minikube", "\" not found. run \"minikube profile list", "there is no such profile", NULL},
	{MILL_SYMPTOM_ROOT, "minikube", "DRV_AS_ROOT", "this driver refuses to run as root",
	 "run it as an ordinary user who may use docker, or vm_driver: kvm2"},
	{MILL_SYMPTOM_QUOTA, "minikube", "RSRC_INSUFFICIENT", "the machine has less memory, disk or fewer processors than it needs",
	 "smaller cpus, memory or storage in the target file"},
	{MILL_SYMPTOM_QUOTA, "minikube", "RSRC_OVER_ALLOC_MEM", "more memory is asked for than the machine has",
	 "a smaller memory in the target file"},
	{MILL_SYMPTOM_VIRTUALISATION, "minikube", "HOST_VIRT_UNAVAILABLE", "this machine cannot run virtual machines", VIRTUALISATION},
	{MILL_SYMPTOM_FORBIDDEN, "minikube", "PR_KVM_USER_PERMISSION", "this user may not use libvirt",
	 "sudo usermod -aG libvirt $USER     then log in again"},
	{MILL_SYMPTOM_HALF_MADE, "minikube", "GUEST_PROVISION", "its machine could not be made", NULL},
	{MILL_SYMPTOM_HALF_MADE, "minikube", "GUEST_START", "Kubernetes did not come up in its machine", NULL},
	{MILL_SYMPTOM_TIMEOUT, "minikube", "K8S_APISERVER_MISSING", "its API server never came up", NULL},
	/* kind, k3d */
	{MILL_SYMPTOM_EXISTS, "kind", "node(s) already exist for a cluster with the name", "a cluster of that name is already there",
	 "cluster_name in the target file gives yours another name"},
	{MILL_SYMPTOM_ABSENT, "kind", "unknown cluster", "there is no such cluster", NULL},
	{MILL_SYMPTOM_ABSENT, "kind", "could not locate any control plane nodes", "there is no such cluster", NULL},
	{MILL_SYMPTOM_HALF_MADE, "kind", "failed to init node with kubeadm", "Kubernetes did not come up in its container",
	 "often inotify limits or memory: https://kind.sigs.k8s.io/docs/user/known-issues/"},
	{MILL_SYMPTOM_EXISTS, "k3d", "because a cluster with that name already exists", "a cluster of that name is already there",
	 "cluster_name in the target file gives yours another name"},
	{MILL_SYMPTOM_ABSENT, "k3d", "no nodes found for given cluster", "there is no such cluster", NULL},
	{MILL_SYMPTOM_ABSENT, "k3d", "No nodes found", "there is no such cluster", NULL},
	/* microk8s, snap, multipass */
	{MILL_SYMPTOM_FORBIDDEN, "microk8s", "Insufficient permissions to access MicroK8s", "this user may not use microk8s",
	 "sudo usermod -aG microk8s $USER     then log in again"},
	{MILL_SYMPTOM_EXISTS, "multipass", "already exists", "a machine of that name is already there",
	 "cluster_name in the target file gives yours another name"},
	{MILL_SYMPTOM_ABSENT, "multipass", "does not exist", "there is no such machine", NULL},
	{MILL_SYMPTOM_VIRTUALISATION, "multipass", "KVM support is not enabled", "this machine cannot run virtual machines", VIRTUALISATION},
	{MILL_SYMPTOM_VIRTUALISATION, "multipass", "CPU does not support KVM", "this machine cannot run virtual machines", VIRTUALISATION},
	{MILL_SYMPTOM_FORBIDDEN, "multipass", "not authenticated with the Multipass service", "this user may not use multipass",
	 "multipass authenticate     (multipass set local.passphrase, by who may, sets the passphrase)"},
	{MILL_SYMPTOM_FORBIDDEN, "multipass", "cannot connect to the multipass socket", "multipass is not running, or this user may not use it",
	 "snap services multipass"},
	{MILL_SYMPTOM_TIMEOUT, "multipass", "timed out waiting for", "its machine did not come up in time", NULL},
	{MILL_SYMPTOM_FORBIDDEN, "snap", "access denied", "snap needs root", NULL},
	{MILL_SYMPTOM_NETWORK, "snap", "cannot communicate with server", "snapd does not run on this machine",
	 "systemctl status snapd; inside containers snaps do not work: kind.yaml and k3d.yaml do without"},
	/* AWS: error codes of its API reference; kops and aws print them as they come */
	{MILL_SYMPTOM_ABSENT, "kops", "cluster not found", "there is no such cluster", NULL},
	{MILL_SYMPTOM_EXISTS, "kops", "already exists; use 'kops update cluster'", "a cluster of that name is already in the bucket", NULL},
	{MILL_SYMPTOM_EXISTS, NULL, "BucketAlreadyExists", "somebody else has a bucket of that name", "another bucket_name: the names are world-wide"},
	{MILL_SYMPTOM_ABSENT, "aws", "(404)", "there is no such bucket", NULL},
	{MILL_SYMPTOM_FORBIDDEN, "aws", "(403)", "the bucket is somebody else's, or this account may not use it", "another bucket_name: the names are world-wide"},
	{MILL_SYMPTOM_QUOTA, NULL, "VcpuLimitExceeded", "the account's quota of processors is used up", QUOTA_AWS},
	{MILL_SYMPTOM_QUOTA, NULL, "InstanceLimitExceeded", "the account's quota of machines is used up", QUOTA_AWS},
	{MILL_SYMPTOM_QUOTA, NULL, "VpcLimitExceeded", "the account's quota of networks (VPC) is used up", QUOTA_AWS},
	{MILL_SYMPTOM_QUOTA, NULL, "AddressLimitExceeded", "the account's quota of addresses is used up", QUOTA_AWS},
	{MILL_SYMPTOM_QUOTA, NULL, "InsufficientInstanceCapacity", "the zone has no machine of that size free", "another zone or node_size"},
	{MILL_SYMPTOM_EXPIRED, NULL, "ExpiredToken", "the credentials have expired", EXPIRED_AWS},
	{MILL_SYMPTOM_EXPIRED, NULL, "RequestExpired", "the credentials have expired, or this machine's clock is wrong", EXPIRED_AWS},
	{MILL_SYMPTOM_EXPIRED, NULL, "token has expired and refresh failed", "the credentials have expired", EXPIRED_AWS},
	{MILL_SYMPTOM_BAD_CREDENTIALS, NULL, "InvalidClientTokenId", "the access key is wrong", LOGIN_AWS},
	{MILL_SYMPTOM_BAD_CREDENTIALS, NULL, "InvalidAccessKeyId", "the access key is wrong", LOGIN_AWS},
	{MILL_SYMPTOM_BAD_CREDENTIALS, NULL, "SignatureDoesNotMatch", "the secret key is wrong", LOGIN_AWS},
	{MILL_SYMPTOM_BAD_CREDENTIALS, NULL, "AuthFailure", "the credentials were not accepted", LOGIN_AWS},
	{MILL_SYMPTOM_NO_CREDENTIALS, NULL, "Unable to locate credentials", "there are no credentials", LOGIN_AWS},
	{MILL_SYMPTOM_NO_CREDENTIALS, NULL, "NoCredentialProviders", "there are no credentials", LOGIN_AWS},
	{MILL_SYMPTOM_NO_CREDENTIALS, NULL, "failed to refresh cached credentials", "there are no credentials", LOGIN_AWS},
	{MILL_SYMPTOM_NO_CREDENTIALS, "aws", "config profile", "there is no such profile", LOGIN_AWS},
	{MILL_SYMPTOM_FORBIDDEN, NULL, "UnauthorizedOperation", "this account lacks a permission", "https://kops.sigs.k8s.io/getting_started/aws/ lists the policies"},
	{MILL_SYMPTOM_FORBIDDEN, NULL, "AccessDenied", "this account lacks a permission", "https://kops.sigs.k8s.io/getting_started/aws/ lists the policies"},
	{MILL_SYMPTOM_TIMEOUT, "kops", "wait time exceeded during validation", "it did not become valid in time",
	 "kops validate cluster shows what is missing; the same command waits again"},
	/* Google */
	{MILL_SYMPTOM_ABSENT, "gcloud", "Not found: projects/", "there is no such cluster", NULL},
	{MILL_SYMPTOM_ABSENT, "gcloud", "code=404", "there is no such cluster", NULL},
	{MILL_SYMPTOM_EXISTS, "gcloud", "Already exists: projects/", "a cluster of that name is already there", NULL},
	{MILL_SYMPTOM_QUOTA, "gcloud", "quota to satisfy", "the project's quota is used up", QUOTA_GCLOUD},
	{MILL_SYMPTOM_QUOTA, "gcloud", "quota exceeded", "the project's quota is used up", QUOTA_GCLOUD},
	{MILL_SYMPTOM_QUOTA, "gcloud", "exceeded quota", "the project's quota is used up", QUOTA_GCLOUD},
	{MILL_SYMPTOM_QUOTA, "gcloud", "QUOTA_EXCEEDED", "the project's quota is used up", QUOTA_GCLOUD},
	{MILL_SYMPTOM_QUOTA, "gcloud", "Quota '", "the project's quota is used up", QUOTA_GCLOUD},
	{MILL_SYMPTOM_QUOTA, "gcloud", "RESOURCE_EXHAUSTED", "the zone has no such machines free, or a quota is used up", QUOTA_GCLOUD},
	{MILL_SYMPTOM_QUOTA, "gcloud", "ZONE_RESOURCE_POOL_EXHAUSTED", "the zone has no machine of that size free", "another zone or node_size"},
	{MILL_SYMPTOM_NO_CREDENTIALS, "gcloud", "do not currently have an active account", "nobody is signed in", LOGIN_GCLOUD},
	{MILL_SYMPTOM_EXPIRED, "gcloud", "Reauthentication", "the sign-in has expired", LOGIN_GCLOUD},
	{MILL_SYMPTOM_EXPIRED, "gcloud", "refreshing your current auth tokens", "the sign-in has expired", LOGIN_GCLOUD},
	{MILL_SYMPTOM_BAD_CREDENTIALS, "gcloud", "invalid authentication credentials", "the credentials were not accepted", LOGIN_GCLOUD},
	{MILL_SYMPTOM_FORBIDDEN, "gcloud", "has not been used in project", "the Kubernetes Engine API is off in this project",
	 "gcloud services enable container.googleapis.com"},
	{MILL_SYMPTOM_FORBIDDEN, "gcloud", "SERVICE_DISABLED", "the Kubernetes Engine API is off in this project",
	 "gcloud services enable container.googleapis.com"},
	{MILL_SYMPTOM_FORBIDDEN, "gcloud", "billing account", "the project has no billing account", "link one: https://console.cloud.google.com/billing"},
	{MILL_SYMPTOM_FORBIDDEN, "gcloud", "code=403", "this account lacks a permission", "the role Kubernetes Engine Admin (roles/container.admin)"},
	{MILL_SYMPTOM_FORBIDDEN, "gcloud", "PERMISSION_DENIED", "this account lacks a permission", "the role Kubernetes Engine Admin (roles/container.admin)"},
	{MILL_SYMPTOM_NO_CREDENTIALS, "gcloud", "required property [project]", "no project is chosen",
	 "`project` in the target file, or: gcloud config set project PROJECT"},
	/* kubectl */
	{MILL_SYMPTOM_PLUGIN, NULL, "gke-gcloud-auth-plugin", "gke-gcloud-auth-plugin is missing",
	 "gcloud components install gke-gcloud-auth-plugin     (or the package google-cloud-cli-gke-gcloud-auth-plugin)"},
	{MILL_SYMPTOM_PLUGIN, "kubectl", "getting credentials: exec", "the program that its kubeconfig names for signing in failed", NULL},
	{MILL_SYMPTOM_EXPIRED, "kubectl", "certificate has expired", "a certificate has expired, or this machine's clock is wrong", NULL},
	{MILL_SYMPTOM_CERTIFICATE, "kubectl", "x509:", "its certificate is not the one that the kubeconfig trusts: another cluster, or a proxy in between", NULL},
	{MILL_SYMPTOM_BAD_CREDENTIALS, "kubectl", "Unauthorized", "the credentials in the kubeconfig are wrong or have expired", NULL},
	{MILL_SYMPTOM_BAD_CREDENTIALS, "kubectl", "provide credentials", "the credentials in the kubeconfig are wrong or have expired", NULL},
	{MILL_SYMPTOM_FORBIDDEN, "kubectl", "Forbidden", "this user may not ask it", NULL},
	{MILL_SYMPTOM_REFUSED, "kubectl", "refused", "nothing listens at its address", NULL},
	{MILL_SYMPTOM_NETWORK, "kubectl", "no such host", "its name is not known here", NULL},
	{MILL_SYMPTOM_NETWORK, "kubectl", "no route to host", "there is no way to its address from here", NULL},
	{MILL_SYMPTOM_NETWORK, "kubectl", "network is unreachable", "there is no way to its address from here", NULL},
	{MILL_SYMPTOM_TIMEOUT, "kubectl", "timeout", "it does not answer in time", NULL},
	{MILL_SYMPTOM_TIMEOUT, "kubectl", "deadline exceeded", "it does not answer in time", NULL},
	/* any */
	{MILL_SYMPTOM_DOCKER_SOCKET, NULL, "permission denied while trying to connect to the docker", "this user may not use docker's socket", DOCKER_GROUP},
	{MILL_SYMPTOM_DOCKER_DOWN, NULL, "Cannot connect to the Docker daemon", "docker does not run", "sudo systemctl start docker"},
	{MILL_SYMPTOM_DOCKER_DOWN, NULL, "failed to connect to the docker API", "docker does not run", "sudo systemctl start docker"},
	{MILL_SYMPTOM_VIRTUALISATION, NULL, "/dev/kvm", "this machine cannot run virtual machines", VIRTUALISATION},
	{MILL_SYMPTOM_DISK, NULL, "no space left on device", "the disk is full", NULL},
	{MILL_SYMPTOM_OPTION, NULL, "unknown flag", "this version of the tool does not know an option that we give it", "a version as docs/targets names it"},
	{MILL_SYMPTOM_OPTION, NULL, "unrecognized arguments", "this version of the tool does not know an option that we give it", "a version as docs/targets names it"},
	{MILL_SYMPTOM_NETWORK, NULL, "no such host", "a name is not known here: no network, or no DNS", NULL},
	{MILL_SYMPTOM_NETWORK, NULL, "TLS handshake timeout", "the network is too slow, or a proxy is in the way", NULL},
	{MILL_SYMPTOM_NETWORK, NULL, "i/o timeout", "the network does not answer", NULL},
	{MILL_SYMPTOM_TIMEOUT, NULL, "timed out", "it took too long", NULL},
};

/* strcasestr over text from outside, in plain ASCII whatever the locale is. */
static bool contains(const char *text, const char *needle)
{
	size_t n = strlen(needle);

	for (; *text; text++) {
		size_t i = 0;

		while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)needle[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

const struct mill_symptom *mill_symptom_find(const char *tool, const char *output)
{
	size_t n = strlen(output);

	/* the cause is near the end; long before it stand warnings that came to nothing */
	if (n > TAIL_MAX)
		output += n - TAIL_MAX;
	for (size_t i = 0; i < MILL_ARRAY_LEN(symptoms); i++)
		if ((!symptoms[i].tool || mill_streq(symptoms[i].tool, tool)) && contains(output, symptoms[i].needle))
			return &symptoms[i];
	return NULL;
}
